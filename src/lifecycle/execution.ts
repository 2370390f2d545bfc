/** What comes of a program that runs in an instance, beside its own: what it writes, and last how it ended. */
export type ExecOutput =
  { readonly kind: 'stdout' | 'stderr'; readonly data: Uint8Array } | ({ readonly kind: 'exit' } & ExecExit);

/** How it ended: its exit code, or the signal that killed it. Both are null where nobody could tell. */
export interface ExecExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Present where the kernel killed it, or what it waited for, since it used all of the `memoryMiB` of its instance. */
  readonly oomKilled?: true;
  /** Present where it was killed because its time was over. */
  readonly timedOut?: true;
}

/** What to run in a machine, beside its own program. */
export interface ExecProgram {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Where it works. @defaultValue where the program of the instance does */
  readonly cwd?: string;
  /** Variables besides those of the instance, or in the place of them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether something is to be written to its standard input; otherwise that has ended already. */
  readonly hasInput: boolean;
  /** Whether what it writes is to be read; otherwise it is thrown away. */
  readonly hasOutput: boolean;
}

/** A program that runs in a machine. */
export interface Execution {
  /**
   * Resolves with what it has written next, once all of that was read with how it ended, and then with `undefined`. Read one at a time. What nobody reads
   * waits in its pipes, and then the program does.
   */
  read(): Promise<ExecOutput | undefined>;
  /** Hands bytes to its standard input, and resolves once more should be handed over, or nobody reads there any more. One at a time. */
  write(data: Uint8Array): Promise<void>;
  /** Ends its standard input. */
  endInput(): void;
  /** Kills it with all that it has started; `read` tells what it has written until then, and how it ended. */
  kill(): void;
}
