import {
  catchError,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  from,
  interval,
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
import type { ExitStatus } from '../../lifecycle/instance.js';
import type { MachineStatus, MachineSignal } from '../driver.js';
import { completeAfter } from './completeAfter.js';
import type { LogFiles, LogLimits } from './logFiles.js';
import { isHalted, type ProcessGroup } from './processGroup.js';
import { findProcess } from './processHandle.js';
import type { Run } from './runs.js';

/** What is watched of a process that is a machine. */
export interface WatchOptions {
  readonly run: Run;
  /** Completes once the machine is ready; without it, it is ready already. */
  readonly readiness$?: Observable<never> | undefined;
  /** The logs that it writes, which are kept within limits. */
  readonly logs: readonly LogFiles[];
  readonly logLimits: LogLimits;
}

/** What every machine has that is a process. */
export interface WatchedRun {
  readonly group: ProcessGroup;
  readonly signals$: Observable<MachineSignal>;
  /** Emits how it ended once nothing of its group is left; to late subscribers too. */
  readonly exit$: Observable<ExitStatus>;
  isReady(): boolean;
  /**
   * Gives what its leader leaves behind some time to end by itself, in milliseconds from now. Without it that is killed at
   * once. Resolves once the spawner that has started it knows of it.
   */
  spare(graceMs: number): Promise<void>;
  /** Whether its leader has ended, or it was detached: from then on its pid may be another's. */
  isGone(): boolean;
  /** Emits how it ended, or that it is halted, or else what `look` finds in one that runs. */
  inspect(look: () => Observable<MachineStatus>): Observable<MachineStatus>;
  /** Does some work with it, cut short by its end; fails with that message where it is gone. */
  unlessGone(message: string, work: () => Observable<never>): Observable<never>;
  /** Sends a signal to its group unless it is gone. */
  signal(name: NodeJS.Signals | number): void;
  /** Kills all of its group, also what was spared. */
  kill(): Observable<ExitStatus>;
  detach(): void;
}

/** How often the size of a log is compared with its limit. */
const rotateMs = 1_000;

/** Thousands of machines share a few timers: a timer costs more than a comparison, and to compare all at once takes long. */
const turns = Array.from({ length: 16 }, () => interval(rotateMs).pipe(share()));

/**
 * Watches a process that leads a group. It ends with this process: what is left of the group is killed, at once or after the
 * time that it was given, then the exit is emitted.
 * Long, since all of it hangs on the same end.
 */
export function watchRun({ run, readiness$, logs, logLimits }: WatchOptions): WatchedRun {
  const { handle, group } = run;
  const signals$ = new ReplaySubject<MachineSignal>(Infinity);
  const exit$ = new ReplaySubject<ExitStatus>(1);
  const detached$ = new ReplaySubject<void>(1);
  const gone$ = merge(run.ended$, detached$);
  let ready = false;
  let isGone = false;
  const killed$ = new ReplaySubject<void>(1);
  let sparedUntil: number | undefined;

  const spared$ = defer(() => {
    isGone = true;
    if (sparedUntil === undefined) return EMPTY;
    const over$ = timer(Math.max(0, sparedUntil - performance.now()));
    return group.emptied().pipe(takeUntil(merge(killed$, over$)));
  });

  /** Nobody waits for what cannot be seen or killed. */
  const clearedUp$ = concat(
    concat(spared$, group.end()).pipe(catchError(() => EMPTY)),
    completeAfter(() => run.written()),
  );

  const beReady = (): void => {
    ready = true;
    signals$.next({ kind: 'ready' });
  };

  // Before the end is emitted: what ends at once was ready too.
  if (readiness$ === undefined) beReady();

  run.ended$
    .pipe(
      mergeMap((exit) => concat(clearedUp$, of(exit))),
      takeUntil(detached$),
    )
    .subscribe({
      next: (exit) => {
        signals$.next({ kind: 'exit', exit });
        exit$.next(exit);
      },
      complete: () => {
        signals$.complete();
        exit$.complete();
      },
    });

  readiness$?.pipe(takeUntil(gone$)).subscribe({
    complete: () => {
      if (!isGone) beReady();
    },
  });

  const turn$ = turns[handle.pid % turns.length] as Observable<number>;
  turn$
    .pipe(
      // Without room for a copy a log grows on, and is tried again.
      exhaustMap(() =>
        merge(...logs.map((log) => from(log.rotate(logLimits)).pipe(catchError(() => EMPTY)))),
      ),
      takeUntil(gone$),
    )
    .subscribe();

  const signal = (name: NodeJS.Signals | number): void => {
    if (!isGone) group.signal(name);
  };

  return {
    group,
    signals$: signals$.asObservable(),
    exit$: exit$.asObservable(),
    inspect: (look) =>
      merge(
        exit$.pipe(map((exit): MachineStatus => ({ kind: 'ended', exit }))),
        defer(() => findProcess(handle)).pipe(
          mergeMap((entry): Observable<MachineStatus> => {
            // It has ended, and the exit is about to be emitted.
            if (entry === undefined) return EMPTY;
            return isHalted(entry) ? of({ kind: 'frozen' }) : look();
          }),
        ),
      ).pipe(take(1)),
    unlessGone: (message, work) =>
      defer(() => (isGone ? throwError(() => new Error(message)) : work().pipe(takeUntil(exit$)))),
    isReady: () => ready,
    isGone: () => isGone,
    signal,
    spare: (graceMs) => {
      sparedUntil = performance.now() + graceMs;
      return run.spare(graceMs);
    },
    kill: () =>
      defer(() => {
        signal('SIGKILL');
        killed$.next();
        return exit$;
      }),
    detach: () => {
      isGone = true;
      detached$.next();
      run.detach();
    },
  };
}
