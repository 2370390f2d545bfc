import {
  defer,
  from,
  ignoreElements,
  type Observable,
  of,
  repeat,
  takeWhile,
  throwError,
  timeout,
} from 'rxjs';
import { type ProcessEntry, processTable } from './processTable.js';

/** A process and all that it started, as far as they did not leave its group. */
export interface ProcessGroup {
  /** Sends a signal to every process; a group of which nobody is left is passed over. */
  signal(name: NodeJS.Signals): void;
  /** Completes once every process is halted; fails after 5 s. */
  halted(): Observable<never>;
  /** Completes once no process is halted any more; fails after 5 s. */
  resumed(): Observable<never>;
  /** Completes once every process has ended; fails after 5 s. */
  ended(): Observable<never>;
}

/** How long processes may take to do what the kernel was told. One in an uninterruptible sleep takes as long as it likes. */
const settleMs = 5_000;
const lookEveryMs = 5;

/** The group of a process that leads one. */
export function createProcessGroup(leader: number): ProcessGroup {
  const send = (signal: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-leader, signal);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // macOS says EPERM of a group in which only ended processes are left.
      if (code === 'ESRCH' || (code === 'EPERM' && process.platform === 'darwin')) return false;
      throw error;
    }
  };

  const until = (what: string, isSo: (left: readonly ProcessEntry[]) => boolean): Observable<never> =>
    // To ask whether anybody is left costs a thousandth of looking at every process of the machine.
    defer(() => (send(0) ? from(processTable.group(leader)) : of([]))).pipe(
      repeat({ delay: lookEveryMs }),
      takeWhile((left) => !isSo(left)),
      ignoreElements(),
      timeout({
        first: settleMs,
        with: () => throwError(() => new Error(`after ${String(settleMs)} ms not every process had ${what}`)),
      }),
    );

  return {
    signal: send,
    halted: () => until('halted', (left) => left.every(isHalted)),
    resumed: () => until('gone on', (left) => !left.some(isHalted)),
    ended: () => until('ended', (left) => left.length === 0),
  };
}

/** A lower-case `t` is halted by a debugger. */
export const isHalted = ({ state }: ProcessEntry): boolean => state === 'T' || state === 't';
