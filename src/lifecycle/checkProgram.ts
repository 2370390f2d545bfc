/** A program that is run beside that of an instance, to find out how that is. */
export interface CheckProgram {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Where it works. @defaultValue where the program of the instance does */
  readonly cwd?: string | undefined;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** How a {@link CheckProgram} ended: its exit code, or the signal that killed it. */
export interface CheckOutcome {
  readonly code: number | null;
  readonly signal: string | null;
  /** Present where it was killed because its time was over. */
  readonly timedOut?: true;
}
