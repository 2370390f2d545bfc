import * as fc from 'fast-check';
import { EMPTY, map, Observable, of, range, Subject, take, timer, VirtualTimeScheduler } from 'rxjs';
import { boundedMergeMap } from '../../src/streams/boundedMergeMap.js';
import type { Lag, Overflow, WorkBuffering } from '../../src/streams/buffering.js';
import { marbles } from '../support/marbles.js';
import { thrownBy } from '../support/thrownBy.js';
import { operatorContract } from '../support/operatorContract.js';

const same = (text: string): Observable<string> => of(text);

describe.each<WorkBuffering<string>>([
  {},
  { concurrency: Infinity },
  { capacity: 1, overflow: 'dropOldest' },
  { capacity: 1, overflow: 'latest', concurrency: 2 },
  { overflow: 'fail' },
])('boundedMergeMap with %j, as an operator', (buffering) => {
  operatorContract({ operator: () => boundedMergeMap(same, buffering), values: ['a', 'b', 'c'] });
});

describe('boundedMergeMap', () => {
  /** Draws work of six frames for each value, with what is lost as `(first..last)`. */
  const draw = (
    source: string,
    expected: string,
    buffering: WorkBuffering<string>,
    subscriptions?: string,
  ): readonly string[] => {
    const lags: string[] = [];
    const onLag = ({ missed, from: first, to }: Lag<string>): void => {
      lags.push(`${first}..${to} (${String(missed)})`);
    };
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot(source);
      const result$ = source$.pipe(
        boundedMergeMap((value) => cold('-----(x|)').pipe(map(() => value)), { ...buffering, onLag }),
      );
      expectObservable(result$).toBe(expected);
      if (subscriptions !== undefined) expectSubscriptions(source$.subscriptions).toBe(subscriptions);
    });
    return lags;
  };

  test('does one after another, in order, and what waits after the end of the source', () => {
    draw('-ab-c|', '------a----b----(c|)', { capacity: 2 }, '^----!');
  });

  test('does as many at a time as it may', () => {
    draw('-abc|', '------ab---(c|)', { concurrency: 2 });
    draw('-abc|', '------ab(c|)', { concurrency: Infinity });
  });

  test('loses the newest by default, and tells after what waited', () => {
    expect(draw('-abcd-|', '------a----(b|)', { capacity: 1 })).toEqual(['c..d (2)']);
  });

  test('loses the oldest with dropOldest, and tells before what comes', () => {
    expect(draw('-abcd-|', '------a----(d|)', { capacity: 1, overflow: 'dropOldest' })).toEqual(['b..c (2)']);
  });

  test('keeps the newest of each key with latest', () => {
    const keyOf = (value: string): string => value.toLowerCase();
    expect(draw('-xaAbB|', '------x----A----(B|)', { capacity: 1, overflow: 'latest', keyOf })).toEqual([
      'a..a (1)',
      'b..b (1)',
    ]);
  });

  test('fails with fail, and leaves its source', () => {
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('-abc---|');
      const work$ = cold('-----(x|)');
      const result$ = source$.pipe(boundedMergeMap(() => work$, { capacity: 1, overflow: 'fail' }));
      expectObservable(result$).toBe(
        '---#',
        undefined,
        expect.objectContaining({ _tag: 'SubscriberLagged', capacity: 1, missed: 2 }),
      );
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(work$.subscriptions).toBe('-^-!');
    });
  });

  test('emits the results of work side by side as they come', () => {
    marbles(({ cold, hot, expectObservable }) => {
      const work: Record<string, Observable<string>> = { a: cold('--1------2|'), b: cold('--3---4|') };
      const result$ = hot('ab|').pipe(boundedMergeMap((value) => work[value] ?? EMPTY, { concurrency: 2 }));
      expectObservable(result$).toBe('--13---4-2|');
    });
  });

  test('goes on to the next when work ends without a result', () => {
    marbles(({ cold, hot, expectObservable }) => {
      const work: Record<string, Observable<string>> = { a: EMPTY, b: cold('---|'), c: of('c') };
      const result$ = hot('abc|').pipe(boundedMergeMap((value) => work[value] ?? EMPTY));
      expectObservable(result$).toBe('----(c|)');
    });
  });

  test('ends with the first error of a work, and stops the rest', () => {
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('abc|');
      const work$ = cold('---------|');
      const work: Record<string, Observable<string>> = { a: work$, b: cold('--#') };
      const begun: string[] = [];
      const result$ = source$.pipe(
        boundedMergeMap(
          (value) => {
            begun.push(value);
            return work[value] ?? EMPTY;
          },
          { concurrency: 2 },
        ),
      );
      expectObservable(result$).toBe('---#');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(work$.subscriptions).toBe('^--!');
      cold('-----x').subscribe(() => {
        expect(begun).toEqual(['a', 'b']);
      });
    });
  });

  test('stops the work and the source when it is left, and begins nothing of what waits', () => {
    marbles(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
      const source$ = hot('ab---|');
      const work$ = cold('----x--|');
      const begun: string[] = [];
      const result$ = source$.pipe(
        boundedMergeMap((value) => {
          begun.push(value);
          return work$;
        }),
      );
      expectObservable(result$, '^-----!').toBe('----x--');
      expectSubscriptions(source$.subscriptions).toBe('^----!');
      expectSubscriptions(work$.subscriptions).toBe('^-----!');
      flush();
      expect(begun).toEqual(['a']);
    });
  });

  test('asks a source that emits within subscribe for no more than is taken', () => {
    let emitted = 0;
    const endless$ = new Observable<number>((subscriber) => {
      while (!subscriber.closed) subscriber.next(++emitted);
    });
    const heard: number[] = [];
    endless$
      .pipe(
        boundedMergeMap((value) => of(value)),
        take(3),
      )
      .subscribe((value) => heard.push(value));
    expect([heard, emitted]).toEqual([[1, 2, 3], 3]);
  });

  test('passes the index of the values that are worked on', () => {
    const indices: number[] = [];
    const project = (value: number, index: number): Observable<number> => {
      indices.push(index);
      return timer(0, scheduler).pipe(map(() => value));
    };
    const scheduler = new VirtualTimeScheduler();
    range(1, 4)
      .pipe(boundedMergeMap(project, { capacity: 1 }))
      .subscribe();
    scheduler.flush();
    expect(indices).toEqual([0, 1]);
  });

  test('takes whatever RxJS turns into an Observable as work', async () => {
    const heard: string[] = [];
    const done = new Promise<void>((resolve) => {
      of(0, 1, 2)
        .pipe(boundedMergeMap((value) => [['a', 'b'], Promise.resolve('c'), new Set('d')][value] ?? []))
        .subscribe({ next: (value) => heard.push(value), complete: resolve });
    });
    await done;
    expect(heard).toEqual(['a', 'b', 'c', 'd']);
  });

  test('runs work that ends at once for 100000 values without growing the stack', () => {
    let count = 0;
    const counted = { next: () => (count += 1) };
    range(0, 100_000)
      .pipe(boundedMergeMap((value) => of(value)))
      .subscribe(counted);
    expect(count).toBe(100_000);

    // The first is held until the rest waits: what waits is then begun one out of the other's end.
    const gate$ = new Subject<number>();
    range(0, 100_001)
      .pipe(boundedMergeMap((value) => (value === 0 ? gate$ : of(value)), { capacity: 100_000 }))
      .subscribe(counted);
    gate$.complete();
    expect(count).toBe(200_000);
  });
});

describe('a user function that throws', () => {
  const failure = new Error('of the user');
  const fail = (): never => {
    throw failure;
  };

  /** Sends 1 to 4 while the first is worked on, then ends that; tells what came, and whether the sender was hurt. */
  const outcome = (
    buffering: WorkBuffering<number>,
    project: (value: number) => Observable<number> = (value) => (value === 1 ? gate$ : of(value)),
  ): { readonly heard: readonly unknown[]; readonly observed: boolean } => {
    const source$ = new Subject<number>();
    const heard: unknown[] = [];
    source$.pipe(boundedMergeMap(project, { capacity: 1, ...buffering })).subscribe({
      next: (value) => heard.push(value),
      error: (error: unknown) => heard.push(error),
    });
    for (const value of [1, 2, 3, 4]) source$.next(value);
    gate$.complete();
    gate$ = new Subject();
    return { heard, observed: source$.observed };
  };
  let gate$ = new Subject<number>();

  test('ends the stream with what it threw, and does not reach the sender', () => {
    const ended = { heard: [failure], observed: false };
    expect(outcome({}, fail)).toEqual(ended);
    expect(outcome({ overflow: 'latest', keyOf: fail })).toEqual(ended);
    expect(outcome({ overflow: 'latest', endsKey: fail })).toEqual(ended);
    expect(outcome({ overflow: 'dropOldest', onLag: fail })).toEqual(ended);
    expect(outcome({ overflow: 'dropNewest', onLag: fail })).toEqual({
      heard: [2, failure],
      observed: false,
    });
  });

  test('begins no work after onLag has thrown', () => {
    const begun: number[] = [];
    const project = (value: number): Observable<number> => {
      begun.push(value);
      return value === 1 ? gate$ : of(value);
    };
    outcome({ overflow: 'dropOldest', onLag: fail }, project);
    expect(begun).toEqual([1]);
  });
});

describe('a user function that makes the source emit', () => {
  test('finds no more room than there is: work counts before it is begun', () => {
    const source$ = new Subject<number>();
    const log: string[] = [];
    const heard: number[] = [];
    source$
      .pipe(
        boundedMergeMap((value) => {
          log.push(`begin ${String(value)}`);
          if (value < 3) source$.next(value + 1);
          log.push(`begun ${String(value)}`);
          return of(value);
        }),
      )
      .subscribe((value) => heard.push(value));
    source$.next(1);
    expect(heard).toEqual([1, 2, 3]);
    expect(log).toEqual(['begin 1', 'begun 1', 'begin 2', 'begun 2', 'begin 3', 'begun 3']);
  });

  test.each<Overflow>(['dropNewest', 'dropOldest', 'latest'])(
    'from onLag loses nothing in silence, with %s',
    (overflow) => {
      const source$ = new Subject<number>();
      const gate$ = new Subject<number>();
      const told: string[] = [];
      let extra = 100;
      const onLag = ({ missed, from: first, to }: Lag<number>): void => {
        told.push(`lost ${String(first)}..${String(to)} (${String(missed)})`);
        if (extra < 103) source$.next(extra++);
      };
      source$
        .pipe(boundedMergeMap((value) => (value === 1 ? gate$ : of(value)), { capacity: 1, overflow, onLag }))
        .subscribe((value) => told.push(String(value)));
      for (const value of [1, 2, 3, 4]) source$.next(value);
      gate$.complete();
      expect(told).toEqual(
        overflow === 'dropNewest' ? ['2', 'lost 3..4 (2)', '100'] : ['lost 2..3 (2)', '4', '100'],
      );
    },
  );
});

describe('buffering that cannot be understood', () => {
  test.each<[string, unknown, string]>([
    ['capacity', 0, '0'],
    ['capacity', -1, '-1'],
    ['capacity', NaN, 'NaN'],
    ['capacity', Infinity, 'Infinity'],
    ['capacity', 1.5, '1.5'],
    ['capacity', '3', "'3'"],
    ['capacity', null, 'null'],
    ['capacity', 2 ** 24 + 1, '16777217'],
    ['concurrency', 0, '0'],
    ['concurrency', -Infinity, '-Infinity'],
    ['concurrency', 2.5, '2.5'],
    ['overflow', 'drop', "'drop'"],
    ['onLag', 'log', "'log'"],
    ['keyOf', 1, '1'],
    ['endsKey', {}, '{}'],
    ['size', 1, 'a number'],
  ])('is refused before anything is subscribed to: %s %p', (key, value, found) => {
    expect(thrownBy(() => boundedMergeMap((one) => [one], { [key]: value }))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: key, found }],
    });
  });

  test('is no work that cannot be done', () => {
    expect(thrownBy(() => boundedMergeMap('work' as never, { size: 1 } as object))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'project', found: "'work'", expected: 'a function' }, { path: 'size' }],
    });
  });

  test('is not a value that is left open', () => {
    expect(() =>
      boundedMergeMap((one) => [one], { capacity: undefined, overflow: undefined } as object),
    ).not.toThrow();
  });
});

/** A value: how long after the one before it comes, how long its work takes (0: none), its key, whether it ends it. */
const sent = fc.record({
  gap: fc.integer({ min: 0, max: 4 }),
  takes: fc.integer({ min: 0, max: 9 }),
  key: fc.constantFrom('a', 'b', 'c'),
  ends: fc.boolean(),
});

test('what is worked on and what is told as lost are together all that was sent, in order, whatever the timing', () => {
  fc.assert(
    fc.property(
      fc.array(sent, { maxLength: 60 }),
      fc.constantFrom<Overflow>('dropNewest', 'dropOldest', 'latest'),
      fc.integer({ min: 1, max: 6 }),
      fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Infinity)),
      (values, overflow, capacity, concurrency) => {
        const scheduler = new VirtualTimeScheduler();
        const source$ = new Subject<number>();
        const told: (readonly [first: number, last: number, missed: number])[] = [];
        const worked: number[] = [];
        const results: number[] = [];
        let running = 0;
        let completed = false;
        const project = (place: number): Observable<number> => {
          running += 1;
          expect(running).toBeLessThanOrEqual(concurrency);
          told.push([place, place, 1]);
          worked.push(place);
          const takes = values[place]?.takes ?? 0;
          const work$ = takes === 0 ? of(place) : timer(takes, scheduler).pipe(map(() => place));
          // Its place is free once its end is told, so it is counted off before.
          return new Observable((subscriber) =>
            work$.subscribe({
              next: (value) => {
                subscriber.next(value);
              },
              complete: () => {
                running -= 1;
                subscriber.complete();
              },
            }),
          );
        };
        source$
          .pipe(
            boundedMergeMap(project, {
              capacity,
              concurrency,
              overflow,
              onLag: ({ missed, from: first, to }) => told.push([first, to, missed]),
              keyOf: (place) => values[place]?.key,
              endsKey: (place) => values[place]?.ends === true,
            }),
          )
          .subscribe({
            next: (place) => results.push(place),
            complete: () => {
              completed = true;
            },
          });
        let time = 0;
        values.forEach(({ gap }, place) => {
          time += gap;
          scheduler.schedule(() => {
            source$.next(place);
          }, time);
        });
        scheduler.schedule(() => {
          source$.complete();
        }, time);
        scheduler.flush();

        let next = 0;
        for (const [first, last, missed] of told) {
          expect([first, last]).toEqual([next, next + missed - 1]);
          next += missed;
        }
        expect(next).toBe(values.length);
        expect([...results].sort((one, other) => one - other)).toEqual(worked);
        expect(completed).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});
