/** One that reads a stream of numbers through a bounded queue of its own. */
export interface Reader {
  /** What its next read gives. */
  take(): Promise<number | 'end'>;
  /** Unsubscribes. */
  leave(): void;
  /** The source ends: what waits is still read. */
  close(): void;
}
