import {
  concat,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  type Observable,
  ReplaySubject,
  takeUntil,
  timer,
} from 'rxjs';

/** Those who read logs of instances. */
export interface LogReads {
  /** Reads a log. `end$` emits once all that is there is to be told, and no more. */
  read<T>(instanceId: string, read: (end$: Observable<void>) => Observable<T>): Observable<T>;
  /** Has whoever reads a log of the instance, or of any, come to its end, and completes once they have; after 5 s they are cut off. */
  end(instanceId?: string): Observable<never>;
}

interface Reading {
  readonly instanceId: string;
  readonly end$: ReplaySubject<void>;
  readonly cutOff$: ReplaySubject<void>;
  readonly over$: ReplaySubject<never>;
}

const longestMs = 5_000;

/** Creates {@link LogReads}: nobody loses the last words of an instance because it is deleted, or the manager closes. */
export function createLogReads(): LogReads {
  const readings = new Set<Reading>();

  return {
    read: (instanceId, read) =>
      defer(() => {
        const reading: Reading = {
          instanceId,
          ...{ end$: new ReplaySubject(1), cutOff$: new ReplaySubject(1), over$: new ReplaySubject(1) },
        };
        readings.add(reading);
        return read(reading.end$).pipe(
          takeUntil(reading.cutOff$),
          finalize(() => {
            readings.delete(reading);
            reading.over$.complete();
          }),
        );
      }),

    end: (instanceId) =>
      defer(() => {
        const ending = [...readings].filter((it) => instanceId === undefined || it.instanceId === instanceId);
        for (const { end$ } of ending) end$.next();
        const over$ = merge(...ending.map((it) => it.over$));
        const cutOff$ = defer(() => {
          for (const it of ending) it.cutOff$.next();
          return EMPTY;
        });
        return ending.length === 0
          ? EMPTY
          : concat(over$.pipe(takeUntil(timer(longestMs))), cutOff$).pipe(ignoreElements());
      }),
  };
}
