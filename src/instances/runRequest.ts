import type { ExitStatus, Instance } from '../lifecycle/instance.js';
import type { LogLine } from '../lifecycle/logLine.js';
import type { CallOptions } from './callOptions.js';
import type { CreateRequest } from './instanceRequests.js';

/** What to run to its end. */
export interface RunRequest extends Omit<CreateRequest, 'name'> {
  /** As in {@link CreateRequest}. @defaultValue `run-` and an id of its own */
  readonly name?: string;
}

/** How to run it. */
export interface RunOptions extends Pick<CallOptions, 'by' | 'reason' | 'traceparent'> {
  /**
   * How much is gathered of each stream, in bytes, at most 256 MiB. What comes before the last so many bytes is left out, and
   * {@link RunOutcome.truncated} says so.
   *
   * @defaultValue 16 MiB
   */
  readonly outputMaxBytes?: number;
  /**
   * Called with every line as `logs` with `follow` tells it: soon after it was written, one of more than 64 KiB in pieces, of both
   * streams, and also with what is too much to be gathered. What it takes is taken from the reading of the log. If it throws, that is reported as of any subscriber, it is not called
   * again, and the run goes on. After the last call comes the outcome; one who gives a run up hears no more.
   *
   * @defaultValue nobody is told
   */
  readonly onLine?: (line: LogLine) => void;
  /**
   * Gives the run up when it aborts: the instance is stopped, with its `stopGraceMs`, and deleted, also where it is only being created; then the
   * run fails with the signal's reason. Once the outcome is being put together it comes to nothing. Aborted before, nothing is created.
   *
   * @defaultValue none
   */
  readonly signal?: AbortSignal;
}

/** What became of a run. */
export interface RunOutcome {
  /** How it ended. Code and signal are null where nobody could tell; `timedOut` says that its time was over. */
  readonly exit: ExitStatus;
  /**
   * What it wrote, as UTF-8, a line's end as `\n` where it was `\r\n` too; of a machine that writes both streams to one log, all
   * of it.
   */
  readonly stdout: string;
  /** What it wrote to its other stream. */
  readonly stderr: string;
  /**
   * Whether something of it is missing: what came before the last {@link RunOptions.outputMaxBytes} of a stream, or what the log had lost by
   * its own limit before it was read. It is read while it is written, so that this takes a flood. The log keeps
   * (`logKeep` + 1) × `logMaxBytes` of the driver, 40 MiB if nothing else is set, in which each line has some 40 bytes more: its
   * time, stream and run.
   */
  readonly truncated: boolean;
  /** The instance as it was when it had ended; it is gone now. */
  readonly instance: Instance;
}
