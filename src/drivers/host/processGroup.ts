import {
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  mergeMap,
  noop,
  type Observable,
  of,
  repeat,
  takeWhile,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import type { ControlGroup } from './controlGroup.js';
import { type ProcessEntry, processTable } from './processTable.js';

/** A process and all that it started; without a control group, as far as they did not leave its process group. */
export interface ProcessGroup {
  /**
   * Sends a signal to every process, and lets all go on for SIGCONT; a group of which nobody is left is passed over. SIGKILL goes to
   * the process group: once its leader has ended, `end` does the rest.
   */
  signal(name: NodeJS.Signals | number): void;
  /** The pids of all that is in it now. */
  members(): Promise<readonly number[]>;
  /** Halts every process, and completes once all are; fails after 5 s. */
  halt(): Observable<never>;
  /** Lets every process go on, and completes once none is halted any more; fails after 5 s. */
  resume(): Observable<never>;
  /** Completes once nobody is left, however long that takes. */
  emptied(): Observable<never>;
  /**
   * Kills every process, and completes once all have ended; fails after 5 s. Whoever has the leader's pid by now is no member:
   * while one is left nobody else is given that.
   */
  end(): Observable<never>;
}

/** How long processes may take to halt, to go on or to end. One in an uninterruptible sleep takes as long as it likes. */
const settleMs = 5_000;
const pollEveryMs = 5;
/** Milliseconds between two polls of a group that takes long to end. */
const slowestPollMs = 100;

/**
 * Whoever starts a process (`vfork`) waits in the kernel until that has come to run its program. If the halt comes first to
 * the one that is being started, the other is never halted: then all have to go on a little, to be halted anew. They go on for a poll
 * longer each time, since on a busy machine the one that is being started waits for its turn.
 */
const pollsBeforeRetry = 3;

/** The group of a process that leads one, and the control group that it was born in. Long for its number of small methods. */
export function createProcessGroup(
  { pid: leader, startTime }: Pick<ProcessEntry, 'pid' | 'startTime'>,
  controlGroup?: ControlGroup,
): ProcessGroup {
  const send = (signal: NodeJS.Signals | number): boolean => {
    try {
      return process.kill(-leader, signal);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // macOS says EPERM of a group in which only ended processes are left.
      if (code === 'ESRCH' || (code === 'EPERM' && process.platform === 'darwin')) return false;
      throw error;
    }
  };

  /** Polls until it is so; `otherwise` gets how many polls have found that it isn't. */
  const until = (
    what: string,
    isSo: (left: readonly ProcessEntry[]) => boolean,
    otherwise: (polls: number) => void = noop,
  ): Observable<never> =>
    // To ask whether anybody is left costs a thousandth of reading every process of the machine.
    defer(() => (send(0) ? from(processTable.group(leader)) : of([]))).pipe(
      repeat({ delay: pollEveryMs }),
      takeWhile((left) => !isSo(left)),
      map((_, index) => {
        otherwise(index + 1);
      }),
      ignoreElements(),
      timeout({
        first: settleMs,
        with: () => throwError(() => new Error(`after ${String(settleMs)} ms not every process had ${what}`)),
      }),
    );

  const haltingAgain = (): ((polls: number) => void) => {
    let goOnAt = pollsBeforeRetry;
    let haltAt = 0;
    let retries = 0;
    return (polls) => {
      // No signal does anything in one that has frozen itself. When it goes on, it finds this one.
      controlGroup?.thaw();
      if (polls === haltAt) {
        send('SIGSTOP');
        goOnAt = polls + pollsBeforeRetry;
      } else if (polls === goOnAt) {
        send('SIGCONT');
        retries += 1;
        haltAt = polls + retries;
      }
    };
  };

  /** Those of the process group have had it already. */
  const sendBeyond = (name: NodeJS.Signals | number): void => {
    controlGroup?.signal(name, (pid) => processTable.groupOf(pid) === leader);
  };

  const signal = (name: NodeJS.Signals | number): void => {
    if (name === 'SIGCONT') controlGroup?.thaw();
    send(name);
    if (name !== 'SIGKILL') sendBeyond(name);
  };

  const endProcessGroup = async (): Promise<Observable<never>> => {
    // Most often its spawner has ended all of it.
    if (!send(0)) return EMPTY;
    const entry = await processTable.find(leader);
    if (entry !== undefined && entry.startTime !== startTime) return EMPTY;
    send('SIGKILL');
    return until('ended', (left) => left.length === 0);
  };

  const isLeft = async (): Promise<boolean> => {
    // In one read where there is such a group, which holds them all but for those that were put elsewhere.
    if (controlGroup?.isPopulated() === true) return true;
    if (!send(0)) return false;
    const left = await processTable.group(leader);
    return left.length > 0 && !left.some((entry) => entry.pid === leader && entry.startTime !== startTime);
  };

  return {
    signal,
    members: async () => {
      const inGroup = await processTable.group(leader);
      return [...new Set([...inGroup.map(({ pid }) => pid), ...(controlGroup?.members() ?? [])])];
    },
    halt: () =>
      concat(
        defer(() => {
          send('SIGSTOP');
          return until('halted', (left) => left.every(isHalted), haltingAgain());
        }),
        controlGroup?.freeze() ?? EMPTY,
      ),
    resume: () =>
      defer(() => {
        controlGroup?.thaw();
        send('SIGCONT');
        return until('gone on', (left) => !left.some(isHalted));
      }),
    emptied: () =>
      defer(isLeft).pipe(
        repeat({ delay: (polls) => timer(Math.min(pollEveryMs * polls, slowestPollMs)) }),
        takeWhile((left) => left),
        ignoreElements(),
      ),
    end: () =>
      concat(defer(endProcessGroup).pipe(mergeMap((ending$) => ending$)), controlGroup?.end() ?? EMPTY),
  };
}

/** A lower-case `t` is halted by a debugger. */
export const isHalted = ({ state }: ProcessEntry): boolean => state === 'T' || state === 't';
