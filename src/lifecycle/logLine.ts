/** A line of a log. */
export interface LogLine {
  /** When it was read from the instance: Unix time in milliseconds. Absent where a machine writes its log by itself. */
  readonly time?: number;
  /** What it was written to; `stdout` where a machine writes both to one log by itself. */
  readonly stream: 'stdout' | 'stderr';
  /** The line without its end. */
  readonly text: string;
  /**
   * Whether its end is missing: of a line of more than 64 KiB all but the last piece, and a last line that its run never
   * finished.
   */
  readonly partial: boolean;
  /**
   * Present where something is gone that the log had before this line: its limit was reached before it was read on from the line
   * before, or from `after`; or somebody has emptied it. Of lines that were cut by that the beginning may be missing.
   */
  readonly gap?: true;
  /** The place after it in the log: with `after`, reading goes on there. It grows from line to line. */
  readonly cursor: number;
  /** Names the run of the machine that wrote it, among those of one instance. Absent where `time` is. */
  readonly run?: string;
}

/** Which log to read, and how. What is asked for together holds together: the last of the lines that the others let through. */
export interface LogOptions {
  /** Name of the log. @defaultValue the first of `capabilities.logs` */
  readonly source?: string;
  /** Lines of one stream only. @defaultValue both */
  readonly stream?: 'stdout' | 'stderr';
  /**
   * How many lines to begin with, from the end; they are looked for in the last 16 MiB of the log.
   *
   * @defaultValue 100; all that are kept where `since` or `after` is given
   */
  readonly tail?: number;
  /** Lines that were read at that time or later: Unix time in milliseconds. Lines without a time are left out. */
  readonly since?: number;
  /** The `cursor` of a line: the lines after it, or the first that are kept where those are gone by now. */
  readonly after?: number;
  /** Whether to go on with new lines as they are written, until unsubscribed. @defaultValue false */
  readonly follow?: boolean;
}
