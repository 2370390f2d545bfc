/** What is done when an instance ends by itself. */
export interface RestartPolicy {
  /** `always`: however it ended. `on_failure`: unless its exit code is 0. */
  readonly policy: 'always' | 'on_failure';
  /** How long after an end, or after the attempt before, it is started again, in milliseconds. */
  readonly backoffMs: number;
  /**
   * The longest back-off, in milliseconds: each attempt doubles it up to this, and takes up to half of it away by chance, so that what
   * ended together is not started together. @defaultValue none: the back-off stays the same
   */
  readonly maxBackoffMs?: number;
  /** After how many attempts in a row it is left Stopped; 0 is never. */
  readonly maxAttempts: number;
  /** How long it has to run for the attempts to be forgotten, in milliseconds. */
  readonly stableAfterMs: number;
}
