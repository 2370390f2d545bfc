import { defer, firstValueFrom, type Observable } from 'rxjs';
import { decodeOrThrow } from '../codecs/decode.js';
import { withMethods } from '../codecs/withMethods.js';
import type { Executions } from '../instances/execRequest.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import { type ExecOutcome, gatheredExec, type GatheredExecRequest } from './gatheredExec.js';

/** What emits one value. A log is a stream, and stays one. */
type Calls = Omit<Instances, 'logs' | 'exec'> & Pick<LifecycleStreams, 'waitForState'>;

type Promising<Call> = Call extends (...given: infer Given) => Observable<infer Value>
  ? (...given: Given) => Promise<Value>
  : never;

/**
 * All of {@link Instances} but `logs`, which is a stream, and `waitForState`: with the same arguments, results and errors, as Promises.
 * An `AbortSignal` in the options of a call takes the place of unsubscribing.
 */
export type PromisedInstances = { readonly [Name in keyof Calls]: Promising<Calls[Name]> } & {
  /**
   * Runs a program as `exec` of {@link Executions} does, to its end, and resolves with all that it wrote: of each stream the last
   * `outputMaxBytes`. Rejects with the same errors.
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { promised } from 'rx-instances/promises';
   *
   * await using manager = await openManager({ drivers: [createProcessDriver()] });
   * const instances = promised(manager);
   * await instances.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '60'] });
   * const { code, stdout } = await instances.exec('web', { command: 'sh', args: ['-c', 'echo hello; exit 3'] });
   * [code, stdout]; // => [3, 'hello\n']
   * ```
   */
  exec(idOrName: string, request: GatheredExecRequest): Promise<ExecOutcome>;
};

/** The compiler wants each of them, and none besides. */
const names: Readonly<Record<keyof Calls, true>> = {
  ...{ create: true, ensure: true, run: true, get: true, list: true, update: true, start: true, stop: true },
  ...{ standby: true, restore: true, restart: true, delete: true, refresh: true, fork: true, signal: true },
  ...{ status: true, hold: true },
  endpoint: true,
  ...{ createSnapshot: true, listSnapshots: true, getSnapshot: true, deleteSnapshot: true },
  ...{ forkSnapshot: true, restoreSnapshot: true, waitForState: true },
};

const calls = withMethods('what has all verbs of instances, and waitForState', ...Object.keys(names), 'exec');

/**
 * Gives the verbs and waits of a manager as Promises, for code that composes nothing. Each call begins at once; one that nobody awaits
 * runs to its end all the same, and needs somebody to hear of its error. Streams stay Observables: they are the manager's own, and
 * `for await` reads its `iterate`.
 *
 * @param manager - a manager, or whatever else has its verbs
 * @throws `InvalidRequest` at once for what lacks one of them; what fails later rejects
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { promised } from 'rx-instances/promises';
 * import { createMemoryDriver } from 'rx-instances/testing';
 *
 * await using manager = await openManager({ drivers: [createMemoryDriver()] });
 * const instances = promised(manager);
 * await instances.create({ name: 'web', image: 'any' });
 * await instances.stop('web');
 * (await instances.waitForState('web', 'Stopped')).via; // => 'read'
 * await instances.get('db').catch(({ _tag }) => _tag); // => 'InstanceNotFound'
 * ```
 */
export function promised(manager: Calls & Executions): PromisedInstances {
  decodeOrThrow(calls, manager);
  const promising =
    (name: keyof Calls): Call<Promise<unknown>> =>
    (...given) =>
      firstValueFrom(defer(() => (manager[name] as Call<Observable<unknown>>)(...given)));
  const entries = Object.keys(names).map((name) => [name, promising(name as keyof Calls)]);
  const instances = Object.fromEntries(entries) as Omit<PromisedInstances, 'exec'>;
  return { ...instances, exec: gatheredExec(manager) };
}

type Call<Result> = (...given: readonly unknown[]) => Result;
