/** What is measured of a contender in one row, ready to be measured again and again. */
export interface Session {
  /** Throws when what will be timed does not give the right answer. Called once, before the first sample. */
  check(): void | Promise<void>;
  /** Takes one sample, in the unit of the bench. */
  sample(): number | Promise<number>;
  close?(): void | Promise<void>;
}

/** One who does what the bench measures. It gets a process of its own, so that nobody's types slow another's code. */
export interface Contender {
  readonly name: string;
  /** Its largest row, where the others would have to wait too long for it. */
  readonly upTo?: number;
  /** Left out where only answers are checked: it takes long until it is ready. @defaultValue false */
  readonly measuredOnly?: boolean;
  /** Throws {@link NotRun} where a row is out of its reach. */
  open(row: Row): Session | Promise<Session>;
}

/** What the rows of a table differ in: a number of something, or a case. */
export type Row = number | string;

/** In what is measured; `ns` and `bytes` are written with the prefix that suits them. */
export type Unit = 'ns' | 'bytes' | 'reads' | 'ms of CPU per second';

/** One place in the table. */
export interface Cell {
  readonly contender: string;
  readonly row: Row;
}

/** What the table has to show. */
export interface Goal {
  readonly what: string;
  readonly of: Cell;
  /** The cell to divide by; without it the goal is an amount in the unit of the bench. */
  readonly by?: Cell;
  /** The cell to subtract: the goal is how much more it is. */
  readonly beyond?: Cell;
  readonly atMost: number;
}

/** One table: contenders beside one another, row by row. */
export interface Bench {
  /** How it is called on the command line. */
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** What a row is a number of. */
  readonly rowsAre: string;
  readonly rows: readonly Row[];
  /** Samples of each cell, or of those of a row. @defaultValue 7 */
  readonly rounds?: number | ((row: Row) => number);
  /** Ours first. */
  readonly contenders: readonly Contender[];
  readonly goals: readonly Goal[];
  /** How a sample is taken, in a sentence or two for the reader of the table. */
  readonly about: string;
}

/** Says why a contender has no figure in a row. */
export class NotRun extends Error {
  override readonly name = 'NotRun';
}
