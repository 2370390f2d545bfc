import {
  catchError,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  from,
  ignoreElements,
  interval,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  ReplaySubject,
  share,
  take,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import type { Exit, InstanceSpec } from '../../lifecycle/instance.js';
import type { Machine, MachineStatus, Signal } from '../driver.js';
import type { LogFiles, LogLimits } from './logFiles.js';
import { createProcessGroup, isHalted } from './processGroup.js';
import { findProcess, type ProcessHandle } from './processHandle.js';
import { processTable } from './processTable.js';
import { readinessOf } from './readinessOf.js';

/** What a process machine is made of. */
export interface ProcessMachineOptions {
  readonly handle: ProcessHandle;
  readonly spec: InstanceSpec;
  readonly log: LogFiles;
  readonly logLimits: LogLimits;
  readonly pollMs: number;
  /** Emits how the process ended, once it has; to late subscribers too. */
  readonly leaderEnded$: Observable<Exit>;
  /** Lets Node end before the process does. */
  readonly onDetach: () => void;
}

/** How often the log is held against its limit. */
const rotateMs = 1_000;

/** Thousands of machines share a few timers: to wake up costs more than to look, and to look at all at once takes long. */
const turns = Array.from({ length: 16 }, () => interval(rotateMs).pipe(share()));

/**
 * A machine around a process that leads a group. It ends with this process: what is left of the group is killed, then the
 * exit is told.
 */
export function createProcessMachine(options: ProcessMachineOptions): Machine {
  const { handle, spec, log, logLimits, pollMs, leaderEnded$, onDetach } = options;
  const group = createProcessGroup(handle.pid);
  const signals$ = new ReplaySubject<Signal>(Infinity);
  const exit$ = new ReplaySubject<Exit>(1);
  const detached$ = new ReplaySubject<void>(1);
  const gone$ = merge(leaderEnded$, detached$);
  let ready = false;
  let isGone = false;
  let asked = false;

  /** Kills what the leader left behind. While that is there nobody else is given the pid, so whoever has it by now is alone. */
  const clearUp = async (): Promise<void> => {
    isGone = true;
    const other = await processTable.find(handle.pid);
    if (other !== undefined && other.startTime !== handle.startTime) return;
    group.signal('SIGKILL');
    await lastValueFrom(group.ended(), { defaultValue: undefined });
  };

  /** What even that cannot end is not ours to wait for. */
  const clearedUp$ = defer(clearUp).pipe(
    ignoreElements(),
    catchError(() => EMPTY),
  );

  const beReady = (): void => {
    ready = true;
    signals$.next({ kind: 'ready' });
  };

  // Before the end is heard of: what ends at once was ready too.
  if (spec.readiness === undefined) beReady();

  const complete = (): void => {
    signals$.complete();
    exit$.complete();
  };

  leaderEnded$
    .pipe(
      mergeMap((exit) => concat(clearedUp$, of(exit))),
      takeUntil(detached$),
    )
    .subscribe({
      next: (exit) => {
        signals$.next({ kind: 'exit', exit });
        exit$.next(exit);
      },
      complete,
    });

  if (spec.readiness !== undefined) {
    readinessOf(spec.readiness, { log, logStart: handle.logStart, pollMs })
      .pipe(takeUntil(gone$))
      .subscribe({
        complete: () => {
          if (!isGone) beReady();
        },
      });
  }

  const turn$ = turns[handle.pid % turns.length] as Observable<number>;
  turn$
    .pipe(
      // Without room for a copy the log grows on, and is tried again.
      exhaustMap(() => from(log.rotate(logLimits)).pipe(catchError(() => EMPTY))),
      takeUntil(gone$),
    )
    .subscribe();

  // A pid that has ended may be another's by now.
  const signal = (name: NodeJS.Signals): void => {
    if (!isGone) group.signal(name);
  };

  const unlessEnded = (work$: Observable<never>): Observable<never> =>
    defer(() => {
      if (isGone) return throwError(() => new Error('the process has ended'));
      return work$.pipe(takeUntil(exit$));
    });

  return {
    handle,
    signals$: signals$.asObservable(),

    inspect: () =>
      merge(
        exit$.pipe(map((exit): MachineStatus => ({ kind: 'ended', exit }))),
        defer(() => findProcess(handle)).pipe(
          mergeMap((entry): Observable<MachineStatus> => {
            // It has ended, and the exit is about to be told.
            if (entry === undefined) return EMPTY;
            return of(isHalted(entry) ? { kind: 'frozen' } : { kind: 'running', ready });
          }),
        ),
      ).pipe(take(1)),

    stop: ({ graceMs }) =>
      defer(() => {
        if (!asked) signal((spec.stopSignal ?? 'SIGTERM') as NodeJS.Signals);
        asked = true;
        // A halted process gets no signal before it goes on.
        signal('SIGCONT');
        const kill$ = timer(graceMs).pipe(
          mergeMap(() => {
            signal('SIGKILL');
            return EMPTY;
          }),
        );
        return merge(exit$, kill$).pipe(take(1));
      }),

    kill: () =>
      defer(() => {
        signal('SIGKILL');
        return exit$;
      }),

    detach: () => {
      isGone = true;
      detached$.next();
      onDetach();
    },

    freezing: {
      freeze: () => unlessEnded(group.halt()),
      thaw: () => unlessEnded(group.resume()),
    },
  };
}
