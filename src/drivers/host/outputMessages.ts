/** The output of one run of a process, and where it is kept. */
export interface Output {
  /** The folder in which the pipes have their names, `stdout` and `stderr`. */
  readonly pipes: string;
  /** The folder of the log. */
  readonly logs: string;
  /** Names the run in each line of the log. */
  readonly run: string;
  /** Size at which the log is laid aside, in bytes. */
  readonly maxBytes: number;
  /** How many parts that were laid aside are kept. */
  readonly keep: number;
}

/** An order to a reader of output. */
export type OutputOrder =
  /** Reads both pipes, which are opened by these paths, until nobody can write to them any more. */
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly output: Output;
      readonly paths: readonly [stdout: string, stderr: string];
    }
  /** Reads what is in the pipes now, and says so. */
  | { readonly kind: 'drain'; readonly id: number }
  /** Makes pipes at these paths, one order at a time. */
  | { readonly kind: 'make'; readonly paths: readonly string[] };

/** A report of a reader of output. */
export type OutputReport =
  | { readonly kind: 'reading'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number }
  /** What was in the pipes is in the log. */
  | { readonly kind: 'drained'; readonly id: number }
  /** All that was ever written is in the log: nobody has the pipes open any more. */
  | { readonly kind: 'over'; readonly id: number }
  /** Whether all were made, and if not, why. */
  | { readonly kind: 'made'; readonly failure: string | undefined; readonly code: string | undefined };
