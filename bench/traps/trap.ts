/** Something that goes wrong elsewhere. Both sides go through the same, for real. */
export interface Trap {
  /** What goes wrong, in a few words. */
  readonly name: string;
  /** Whom it happens to. */
  readonly peer: string;
  /** Falls into it, and says how; throws should it not. */
  falls(): Promise<string> | string;
  /** Shows that ours does not, and says what happened; throws should it. */
  passes(): Promise<string> | string;
}
