import fc from 'fast-check';
import { EMPTY, NEVER, type Observable, of, Subject, throwError, timer } from 'rxjs';
import { CursorExpired } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { ConsumeOptions } from '../../src/streams/eventOptions.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import { createLoggedBus, numbers } from '../support/loggedBus.js';
import { marbles } from '../support/marbles.js';
import { thrownBy } from '../support/thrownBy.js';

/** Consumes durably, and notes begun work and how it ended. */
function consume(
  bus: LifecycleBus,
  project: (event: LifecycleEvent) => Observable<unknown> = () => of(0),
  options: ConsumeOptions = {},
) {
  const told: unknown[] = [];
  const subscription = bus
    .consume(
      'billing',
      (event) => {
        told.push(event.sequence);
        return project(event);
      },
      { durable: true, ...options },
    )
    .subscribe({
      error: (error: unknown) => told.push((error as { _tag?: string })._tag),
      complete: () => told.push('end'),
    });
  return { told, subscription };
}

describe('a durable consumer', () => {
  test('begins now the first time, and remembers so before it is told anything', () => {
    const { bus, publish, saves } = createLoggedBus({ before: 5 });
    const { told } = consume(bus, () => NEVER);
    expect(saves).toEqual([5]);
    publish();
    expect(told).toEqual([6]);
  });

  test('tells how far it is behind, from the first subscription on, also while it is not there', () => {
    const { bus, publish } = createLoggedBus({ before: 5 });
    bus.events('other').subscribe();
    expect(bus.stats()['billing']).toBeUndefined();
    const works: Subject<number>[] = [];
    const { subscription } = consume(
      bus,
      () => {
        const work = new Subject<number>();
        works.push(work);
        return work;
      },
      { concurrency: 2 },
    );
    const behind = (): unknown => bus.stats()['billing']?.behind;
    expect(behind()).toBe(0);
    publish(3);
    expect(behind()).toBe(3);
    works[1]?.complete();
    expect(behind()).toBe(3);
    works[0]?.complete();
    expect(behind()).toBe(1);
    subscription.unsubscribe();
    publish();
    expect(behind()).toBe(2);
    expect(bus.stats()['other']).not.toHaveProperty('behind');
  });

  test('goes on where it was, another time and on another bus', () => {
    marbles(({ flush }) => {
      const { bus, log, publish } = createLoggedBus();
      const first = consume(bus);
      publish(3);
      first.subscription.unsubscribe();
      publish(2);
      const second = consume(bus);
      flush();
      second.subscription.unsubscribe();
      publish(2);
      const third = consume(createLifecycleBus({ log }));
      flush();
      expect([first.told, second.told, third.told]).toEqual([
        [1, 2, 3],
        [4, 5],
        [6, 7],
      ]);
    });
  });

  test('is given again what it was not done with', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus();
      const stuck = consume(bus, ({ sequence }) => (sequence < 3 ? of(0) : NEVER));
      publish(5);
      stuck.subscription.unsubscribe();
      const again = consume(bus);
      flush();
      expect([stuck.told, again.told]).toEqual([
        [1, 2, 3],
        [3, 4, 5],
      ]);
    });
  });

  test('ends with a project that fails or throws, and is given the event again', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus();
      const failing = consume(bus, ({ sequence }) =>
        sequence === 2 ? throwError(() => ({ _tag: 'Failed' })) : of(0),
      );
      publish(3);
      const throwing = consume(bus, ({ sequence }) => {
        if (sequence === 3) throw new TypeError('thrown');
        return of(0);
      });
      flush();
      const third = consume(bus);
      flush();
      expect([failing.told, throwing.told, third.told]).toEqual([[1, 2, 'Failed'], [2, 3, undefined], [3]]);
    });
  });

  test('remembers what is done only with all before it', () => {
    const { bus, publish, cursors } = createLoggedBus();
    const ends = new Map(numbers(1, 3).map((sequence) => [sequence, new Subject<number>()]));
    consume(bus, ({ sequence }) => ends.get(sequence) ?? NEVER, { concurrency: 4 });
    publish(3);
    const remembered = [2, 3, 1].map((sequence) => {
      ends.get(sequence)?.complete();
      return cursors.get('billing');
    });
    expect(remembered).toEqual([0, 0, 3]);
  });

  test('has one save under way at a time, and then saves the newest place', () => {
    const { log, commit } = createLoggedBus();
    const saves: number[] = [];
    const save$ = new Subject<never>();
    const saveCursor = (_: string, sequence: number): Observable<never> => {
      saves.push(sequence);
      return sequence === 0 ? EMPTY : save$;
    };
    const bus = createLifecycleBus({ log: { ...log, saveCursor } });
    const { subscription } = consume(bus);
    for (let count = 0; count < 100; count += 1) bus.publish(commit());
    expect(saves).toEqual([0, 1]);
    save$.complete();
    expect(saves).toEqual([0, 1, 100]);
    subscription.unsubscribe();
    expect(saves).toEqual([0, 1, 100]);
  });

  test('saves once more when it goes while a save is under way, and begins there even before that has ended', () => {
    const { log, commit } = createLoggedBus();
    const saves: number[] = [];
    const saveCursor = (_: string, sequence: number): Observable<never> => {
      saves.push(sequence);
      return sequence === 0 ? EMPTY : NEVER;
    };
    const bus = createLifecycleBus({ log: { ...log, saveCursor } });
    const { subscription } = consume(bus);
    for (let count = 0; count < 5; count += 1) bus.publish(commit());
    subscription.unsubscribe();
    expect(saves).toEqual([0, 1, 5]);
    const { told } = consume(bus);
    bus.publish(commit());
    expect(told).toEqual([6]);
  });

  test('remembers when the bus closes, and not after', () => {
    const { bus, publish, saves } = createLoggedBus();
    const end$ = new Subject<number>();
    const { told } = consume(bus, ({ sequence }) => (sequence === 3 ? end$ : of(0)));
    publish(3);
    bus.close();
    const before = [...saves];
    end$.complete();
    expect(before.at(-1)).toBe(2);
    expect(saves).toEqual(before);
    expect(told).toEqual([1, 2, 3, 'end']);
    expect(consume(bus).told).toEqual(['ManagerClosed']);
  });

  test('fails when its place cannot be saved or read', () => {
    const { log, commit } = createLoggedBus();
    const fails = () => throwError(() => ({ _tag: 'StoreFailed' }));
    const first = createLifecycleBus({ log: { ...log, loadCursor: fails } });
    const later = createLifecycleBus({ log: { ...log, loadCursor: () => of(0), saveCursor: fails } });
    const unread = consume(first);
    const unsaved = consume(later, ({ sequence }) => (sequence === 1 ? of(0) : NEVER));
    later.publish(commit());
    expect([unread.told, unsaved.told]).toEqual([['StoreFailed'], [1, 'StoreFailed']]);
  });

  test('fails once when the log has lost its place, and goes on with the oldest event next time', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ keeps: 3 });
      consume(bus).subscription.unsubscribe();
      publish(10);
      const first = consume(bus);
      const second = consume(bus);
      flush();
      expect([first.told, second.told]).toEqual([['CursorExpired'], [8, 9, 10]]);
    });
  });

  test('goes on behind what the log has lost, though an earlier place is still being saved', () => {
    marbles(({ flush }) => {
      const { log, cursors } = createLoggedBus({ before: 200 });
      cursors.set('billing', 0);
      const saves: number[] = [];
      const saveCursor = (_: string, sequence: number): Observable<never> => {
        saves.push(sequence);
        return NEVER;
      };
      const read: typeof log.read = (after, limit) =>
        after.sequence < 64
          ? log.read(after, limit)
          : throwError(() => new CursorExpired({ cursor: after, oldest: 100, epoch: 'e' }));
      const { told } = consume(createLifecycleBus({ log: { ...log, read, saveCursor } }), undefined, {
        capacity: 64,
      });
      flush();
      expect(told).toEqual([...numbers(1, 64), 'CursorExpired']);
      expect(saves).toEqual([1, 99]);
    });
  });

  test.each([
    [1, 1],
    [1, 2],
    [3, 1],
    [3, 2],
  ])(
    'skips nothing that was not done when the log has lost the place behind it (capacity %i, %i at a time)',
    (capacity, concurrency) => {
      marbles(({ flush }) => {
        const { bus, publish, cursors } = createLoggedBus({ keeps: 3 });
        const gates: Subject<number>[] = [];
        const project = (): Observable<number> => {
          const gate$ = new Subject<number>();
          gates.push(gate$);
          return gate$;
        };
        const { told } = consume(bus, project, { capacity, concurrency });
        publish(20);
        // One after the other is done until the log is needed; those that are given then are not.
        for (let done = 0; done < 10 && told.at(-1) !== 'CursorExpired'; done += 1) {
          gates[done]?.complete();
          flush();
          expect(cursors.get('billing')).toBe(done + 1);
        }
        expect(told.at(-1)).toBe('CursorExpired');
      });
    },
  );

  test('is alone under its name, until it goes', () => {
    const { bus, publish } = createLoggedBus();
    const first = consume(bus);
    const second = consume(bus);
    publish();
    first.subscription.unsubscribe();
    const third = consume(bus);
    publish();
    expect([first.told, second.told, third.told]).toEqual([[1], ['ConsumerTaken'], [2]]);
    expect(bus.stats()['billing']).toMatchObject({ subscribers: 1, thrown: 0 });
  });

  test.each([
    [{ durable: true, overflow: 'latest' }, 'overflow'],
    [{ durable: 1 }, 'durable'],
  ])('is refused with the path of the fault: %j', (options, path) => {
    const { bus } = createLoggedBus();
    expect(thrownBy(() => bus.consume('billing', () => NEVER, options as ConsumeOptions))).toMatchObject({
      faults: [{ path }],
    });
  });

  test('may say that its policy is resume, and that it is not durable', () => {
    const { bus, saves, publish } = createLoggedBus();
    consume(bus, undefined, { overflow: 'resume' });
    consume(bus, undefined, { durable: false, overflow: 'latest' });
    publish();
    expect(saves).toEqual([0, 1]);
  });

  test('needs a log', () => {
    const bus = createLifecycleBus();
    expect(thrownBy(() => bus.consume('billing', () => NEVER, { durable: true }))).toMatchObject({
      faults: [{ path: 'durable' }],
    });
  });

  test('is given every event at least once, and in order within a run, whenever it is stopped', () => {
    const run = fc.record({
      publish: fc.nat(300),
      during: fc.nat(50),
      stopAfter: fc.nat(40),
      capacity: fc.integer({ min: 1, max: 20 }),
      concurrency: fc.integer({ min: 1, max: 3 }),
      takes: fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
      another: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 6 }), (runs) => {
        const { bus, log, commit, events, cursors } = createLoggedBus();
        let current = bus;
        const publish = (count: number): void => {
          for (let index = 0; index < count; index += 1) current.publish(commit());
        };
        const done = new Set<number>();
        cursors.set('billing', 0);
        for (const { publish: before, during, stopAfter, capacity, concurrency, takes, another } of runs) {
          marbles(({ flush }) => {
            // Another process knows nothing but what was saved.
            if (another) current = createLifecycleBus({ log });
            publish(before);
            const from = cursors.get('billing') ?? 0;
            const { told, subscription } = consume(
              current,
              ({ sequence }) => {
                const work$ = timer(takes[sequence % takes.length] ?? 0);
                work$.subscribe(() => done.add(sequence));
                return work$;
              },
              { capacity, concurrency },
            );
            timer(stopAfter).subscribe(() => {
              subscription.unsubscribe();
            });
            publish(during);
            flush();
            expect(told).toEqual(numbers(from + 1, from + told.length));
            // What is remembered was done.
            expect(numbers(1, cursors.get('billing') ?? 0).filter((each) => !done.has(each))).toEqual([]);
          });
        }
        marbles(({ flush }) => {
          const { told } = consume(current);
          flush();
          for (const sequence of told) done.add(sequence as number);
        });
        expect([...done].sort((a, b) => a - b)).toEqual(numbers(1, events.length));
      }),
      { numRuns: 50 },
    );
  });
});
