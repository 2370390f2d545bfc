import type { ExecOutput } from '../lifecycle/execution.js';
import type { ExecInput } from '../streams/feedInput.js';
import type { Pullable } from '../streams/pullable.js';

/** What to run in an instance, beside its own program. */
export interface ExecRequest {
  /** The program, or its path; without a `/` it is looked for in the `PATH` of its environment. No shell reads it. */
  readonly command: string;
  /** @defaultValue none */
  readonly args?: readonly string[];
  /** Where it works. @defaultValue where the program of the instance does */
  readonly cwd?: string;
  /** Variables besides those of the instance, or in the place of them. @defaultValue none */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * What it reads at its standard input, which ends with it. It is read from the source as the program takes it; of an Observable, which nobody
   * can hold up, at most 1,024 values wait. If the source fails, the program is killed, and the exec fails so.
   *
   * @defaultValue nothing: the input has ended already
   */
  readonly stdin?: ExecInput;
  /** How long it may take, in milliseconds; then it is killed, and its `exit` says `timedOut`. @defaultValue as long as it does */
  readonly timeoutMs?: number;
  /** Kills it when it aborts; then the exec fails with the signal's reason. Aborted before, nothing is started. @defaultValue none */
  readonly signal?: AbortSignal;
}

/** Runs programs in instances. */
export interface Executions {
  /**
   * Runs a program in an instance that is Initializing or Running, beside its own: in its environment, and where it works. Emits what the program
   * writes to its standard output and error, as it comes, and last how it ended; an exit code other than 0 is no error. Between the two
   * streams the order is that of reading.
   *
   * It takes no turn: other verbs run meanwhile. Whoever unsubscribes, or leaves the `for await`, ends the program. It is killed with all that it has
   * started and left behind when it ends, when its instance does, and when the manager closes or is killed, whatever becomes of the instance then. On
   * standby it stands still with its instance. No event tells of it.
   *
   * Nobody can hold up an Observable: what its subscriber does not take at once is his to keep. Read with `for await`, at most 256 KiB wait, then the
   * program does.
   *
   * Fails with {@link ExecFailed} where the program can't be started, {@link InstanceNotFound}, {@link InvalidRequest}, {@link InvalidState},
   * {@link NotSupported} where machines of the driver run no other programs, {@link DriverFailed}, {@link ManagerClosed}.
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createProcessDriver()] });
   * await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '60'] }));
   *
   * let counted = '';
   * for await (const output of manager.exec('web', { command: 'wc', args: ['-l'], stdin: 'a\nb\n' })) {
   *   if (output.kind === 'stdout') counted += Buffer.from(output.data).toString();
   *   if (output.kind === 'exit') counted += `ended with ${output.code}`;
   * }
   * counted; // => '2\nended with 0'
   * ```
   */
  exec(idOrName: string, request: ExecRequest): Pullable<ExecOutput>;
}
