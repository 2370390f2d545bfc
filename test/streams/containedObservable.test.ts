import {
  finalize,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  Subject,
  Subscriber,
  take,
  throwError,
  UnsubscriptionError,
} from 'rxjs';
import { ContainedObservable, through } from '../../src/streams/containedObservable.js';

const failure = new Error('of the subscriber');
const fail = (): never => {
  throw failure;
};

/** A Subscriber that throws whatever it is told. */
const failing = () => new Subscriber<number>({ next: fail, error: fail, complete: fail });

/** A contained stream, what it was told of, and what a well-behaved subscriber that came last hears. */
const stage = () => {
  const source$ = new Subject<number>();
  const open = new Set<Subscriber<number>>();
  const counted$ = new Observable<number>((subscriber) => {
    open.add(subscriber);
    subscriber.add(() => open.delete(subscriber));
    return source$.subscribe(subscriber);
  });
  const thrown: unknown[] = [];
  const contained$: Observable<number> = new ContainedObservable(through(counted$), (error) =>
    thrown.push(error),
  );
  const heard: unknown[] = [];
  return {
    source$,
    open,
    thrown,
    contained$,
    heard,
    another: () =>
      contained$.subscribe({ next: (value) => heard.push(value), complete: () => heard.push('end') }),
  };
};

/** Takes the deprecated forms too, which the types of RxJS still have. */
const ofAnyForm =
  (stream$: unknown) =>
  (...observer: unknown[]): unknown =>
    (stream$ as { subscribe: (...observer: unknown[]) => unknown }).subscribe(...observer);

/** An operator made by hand, which does nothing but hand its source to `subscribe`. */
const byHand =
  (subscribe: (source$: Observable<number>) => { unsubscribe(): void }) =>
  (source$: Observable<number>): Observable<number> =>
    new Observable(() => subscribe(source$));

/** What was thrown, without the errors that RxJS wraps around what teardowns throw. */
const unwrapped = (error: unknown): readonly unknown[] =>
  error instanceof UnsubscriptionError ? error.errors.flatMap(unwrapped) : [error];

describe('a contained stream', () => {
  test('tells values, then the end, to observers of every form', () => {
    const { source$, contained$, thrown } = stage();
    const heard: string[] = [];
    const told = (who: string) => (value?: unknown) => heard.push(`${who} ${String(value)}`);
    const subscribe = ofAnyForm(contained$);
    subscribe();
    subscribe(null);
    subscribe({});
    subscribe(told('function'));
    subscribe(undefined, null, told('third'));
    contained$.subscribe({ next: told('object'), complete: told('object') });
    contained$.subscribe(new Subscriber<number>({ next: told('own'), error: fail, complete: told('own') }));
    source$.next(1);
    source$.complete();
    expect(heard).toEqual([
      'function 1',
      'object 1',
      'own 1',
      'third undefined',
      'object undefined',
      'own undefined',
    ]);
    expect(thrown).toEqual([]);
  });

  test('calls the methods of an observer as methods', () => {
    const { source$, contained$ } = stage();
    const observer = {
      heard: [] as unknown[],
      next(value: number) {
        this.heard.push(value);
      },
      complete() {
        this.heard.push('end');
      },
    };
    contained$.subscribe(observer);
    source$.next(1);
    source$.complete();
    expect(observer.heard).toEqual([1, 'end']);
  });

  test('tells an error to the one who handles it', () => {
    const { source$, contained$, thrown } = stage();
    const handled: unknown[] = [];
    contained$.subscribe({ error: (error: unknown) => handled.push(error) });
    ofAnyForm(contained$)(null, (error: unknown) => handled.push(error));
    source$.error(failure);
    expect([handled, thrown]).toEqual([[failure, failure], []]);
  });

  test('tells the end to nobody who threw at the value before it', () => {
    const complete = jest.fn();
    const thrown: unknown[] = [];
    const contained$ = new ContainedObservable<number>(
      (observer) => {
        observer.next(1);
        observer.complete();
        return undefined;
      },
      (error) => thrown.push(error),
    );
    contained$.subscribe({ next: fail, complete });
    expect([thrown, complete.mock.calls]).toEqual([[failure], []]);
  });

  test('lets go what was taken hold of for it, also where the end came first', () => {
    const left: string[] = [];
    const holding = (how: string, ...values: readonly number[]) =>
      new ContainedObservable<number>(
        (observer) => {
          values.forEach((value) => {
            observer.next(value);
          });
          if (how === 'ended') observer.complete();
          return { unsubscribe: () => left.push(how) };
        },
        () => undefined,
      );
    for (const how of ['ended', 'held']) {
      holding(how, 1).subscribe().unsubscribe();
      holding(how, 1).subscribe(new Subscriber<number>()).unsubscribe();
    }
    holding('thrown at', 1).subscribe(fail);
    expect(left).toEqual(['ended', 'ended', 'held', 'held', 'thrown at']);
  });

  test('tells what keeps it from beginning as an error', () => {
    const thrown: unknown[] = [];
    const contained$ = new ContainedObservable<number>(fail, (error) => thrown.push(error));
    const handled: unknown[] = [];
    contained$.subscribe({ error: (error: unknown) => handled.push(error) });
    contained$.subscribe();
    expect([handled, thrown]).toEqual([[failure], [failure]]);
  });

  test('is told of an error that nobody handles', () => {
    const { source$, contained$, thrown } = stage();
    contained$.subscribe();
    contained$.subscribe({ error: null } as object);
    contained$.pipe(map((value) => value)).subscribe(() => undefined);
    source$.error(failure);
    expect(thrown).toEqual([failure, failure, failure]);
  });

  test('leaves its source when it is left, also within the first value', () => {
    const { source$, contained$ } = stage();
    contained$.subscribe().unsubscribe();
    expect(source$.observed).toBe(false);
    contained$.pipe(take(1)).subscribe();
    source$.next(1);
    expect(source$.observed).toBe(false);
  });

  test('leaves a source that emits within subscribe', () => {
    let emitted = 0;
    const endless$ = new Observable<number>((subscriber) => {
      while (!subscriber.closed && emitted < 99) subscriber.next(++emitted);
    });
    new ContainedObservable(through(endless$), fail).pipe(take(3)).subscribe();
    const link = new Subscriber<number>({
      next: (value) => {
        if (value === 5) link.unsubscribe();
      },
      error: fail,
      complete: fail,
    });
    new ContainedObservable(through(endless$), fail).subscribe(link);
    expect(emitted).toBe(5);
  });
});

describe('a subscriber that throws', () => {
  const throwing = byHand((source$) => source$.subscribe(fail));
  const throwingSubscriber = byHand((source$) => source$.subscribe(failing()));
  type Subscribe = (contained$: Observable<number>) => { unsubscribe(): void };

  const nexts: readonly (readonly [string, Subscribe])[] = [
    ['a function', (contained$) => contained$.subscribe(fail)],
    ['an observer', (contained$) => contained$.subscribe({ next: fail })],
    ['a Subscriber of its own', (contained$) => contained$.subscribe(failing())],
    ['behind pipe', (contained$) => contained$.pipe(map((value) => value)).subscribe(fail)],
    ['behind pipe twice', (contained$) => contained$.pipe(take(9)).pipe(take(8)).subscribe(fail)],
    ['behind a pipe of nothing', (contained$) => contained$.pipe().subscribe(fail)],
    ['in an operator', (contained$) => contained$.pipe(map(fail)).subscribe()],
    ['in an operator made by hand', (contained$) => contained$.pipe(throwing).subscribe()],
    [
      'in an operator made by hand, with a Subscriber',
      (contained$) => contained$.pipe(throwingSubscriber).subscribe(),
    ],
  ];

  test.each(nexts)('in next is unsubscribed, and hurts nobody else: %s', (_, subscribe) => {
    const { source$, open, thrown, contained$, heard, another } = stage();
    subscribe(contained$);
    another();
    source$.next(1);
    source$.next(2);
    expect([heard, thrown, open.size]).toEqual([[1, 2], [failure], 1]);
  });

  test('in complete hurts nobody else', () => {
    const { source$, thrown, contained$, heard, another } = stage();
    contained$.subscribe({ complete: fail });
    contained$.subscribe(new Subscriber<number>({ next: () => undefined, error: fail, complete: fail }));
    contained$.pipe(map((value) => value)).subscribe({ complete: fail });
    another();
    source$.complete();
    expect([heard, thrown]).toEqual([['end'], [failure, failure, failure]]);
  });

  test('in error is told of with what it threw', () => {
    const thrown: unknown[] = [];
    const failing$ = new ContainedObservable(through(throwError(() => new Error('of the source'))), (error) =>
      thrown.push(error),
    );
    failing$.subscribe({ error: fail });
    expect(thrown).toEqual([failure]);
  });

  test.each<readonly [string, Subscribe]>([
    [
      'after next threw',
      (contained$) => {
        const subscription = contained$.subscribe(fail);
        subscription.add(fail);
        return subscription;
      },
    ],
    ['after enough was taken', (contained$) => contained$.pipe(take(1), finalize(fail)).subscribe()],
    ['before what takes enough', (contained$) => contained$.pipe(finalize(fail), take(1)).subscribe()],
  ])('in a teardown hurts nobody else: %s', (_, subscribe) => {
    const { source$, open, thrown, contained$, heard, another } = stage();
    subscribe(contained$);
    another();
    source$.next(1);
    source$.next(2);
    expect([heard, open.size]).toEqual([[1, 2], 1]);
    expect(new Set(thrown.flatMap(unwrapped))).toEqual(new Set([failure]));
  });

  test.each<readonly [string, Subscribe]>([
    [
      'its own',
      (contained$) => {
        const subscription = contained$.subscribe();
        subscription.add(fail);
        return subscription;
      },
    ],
    ['last in the pipe', (contained$) => contained$.pipe(finalize(fail)).subscribe()],
    [
      'of an operator that does not end with its source',
      (contained$) =>
        contained$
          .pipe(
            finalize(fail),
            mergeMap(() => NEVER),
          )
          .subscribe(),
    ],
  ])('in a teardown at the end hurts nobody else: %s', (_, subscribe) => {
    const { source$, thrown, contained$, heard, another } = stage();
    subscribe(contained$);
    another();
    source$.next(1);
    source$.complete();
    expect(heard).toEqual([1, 'end']);
    expect(thrown.flatMap(unwrapped)).toEqual([failure]);
  });

  test('in a teardown throws at the one who unsubscribes, as with RxJS', () => {
    const { contained$, thrown } = stage();
    const subscription = contained$.subscribe();
    subscription.add(fail);
    expect(() => {
      subscription.unsubscribe();
    }).toThrow('of the subscriber');
    expect(thrown).toEqual([]);
  });

  test.each<readonly [string, (source$: Observable<number>) => Observable<number>]>([
    ['at the stream', (contained$) => contained$],
    ['behind pipe', (contained$) => contained$.pipe(map((value) => value))],
    ['where streams are joined', (contained$) => merge(contained$, NEVER)],
  ])('with a Subscriber of its own has that unsubscribed, and hurts nobody else: %s', (_, join) => {
    const { source$, open, thrown, contained$, heard, another } = stage();
    const torn = jest.fn();
    const own = failing();
    own.add(torn);
    join(contained$).subscribe(own);
    another();
    source$.next(1);
    source$.next(2);
    expect([heard, thrown, open.size]).toEqual([[1, 2], [failure], 1]);
    expect([own.closed, torn.mock.calls.length]).toEqual([true, 1]);
  });
});
