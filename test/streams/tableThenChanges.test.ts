import * as fc from 'fast-check';
import { defer, delay, EMPTY, NEVER, type Observable, of, Subject, throwError } from 'rxjs';
import type { Cursor, LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { Lag } from '../../src/streams/buffering.js';
import type { WatchBuffering } from '../../src/streams/eventOptions.js';
import { watchSettings } from '../../src/streams/eventSettings.js';
import { unrecorded } from '../../src/streams/feed.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import type { InstanceChange } from '../../src/lifecycle/instanceChange.js';
import { type TableView, tableThenChanges } from '../../src/streams/tableThenChanges.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';
import { marbles } from '../support/marbles.js';
import { operatorContract } from '../support/operatorContract.js';

const start: Cursor = { epoch: 'e', sequence: 0 };
const noInstances = (): Observable<TableView> => of({ ...start, instances: [] });

/** As an operator over plain events. */
const watching =
  (read: () => Observable<TableView>, buffering: WatchBuffering = {}) =>
  (events$: Observable<LifecycleEvent>): Observable<InstanceChange> =>
    tableThenChanges(unrecorded(events$), read, watchSettings(buffering));

const textOf = (change: InstanceChange): string => {
  switch (change.kind) {
    case 'snapshot':
      return `all: ${change.instances.map(({ id, revision }) => `${id}${String(revision)}`).join(' ')}`;
    case 'upsert':
      return `${change.instance.id}${String(change.instance.revision)}`;
    case 'removed':
      return `no ${change.instanceId}`;
    case 'closing':
      return 'closing';
  }
};

/** What is true: a table that events are applied to, told to a watcher. */
const stage = (buffering: WatchBuffering = {}) => {
  const table = new Map<string, Instance>();
  const events$ = new Subject<LifecycleEvent>();
  const told: string[] = [];
  let cursor = start;
  let reads = 0;
  const view = (): TableView => ({ ...cursor, instances: [...table.values()] });
  const read = (): Observable<TableView> =>
    defer(() => {
      reads += 1;
      return of(view());
    });
  /** Changes the table without telling it. */
  const commit = (event: LifecycleEvent): void => {
    cursor = event;
    if (event.action === 'delete') table.delete(event.instanceId);
    else if (event.instance !== undefined) table.set(event.instanceId, event.instance);
  };
  return {
    events$,
    told,
    view,
    reads: () => reads,
    commit,
    send: (...events: readonly LifecycleEvent[]): void => {
      for (const event of events) {
        commit(event);
        events$.next(event);
      }
    },
    watch: (read$ = read) =>
      events$.pipe(watching(read$, buffering)).subscribe({
        next: (change) => told.push(textOf(change)),
        error: (error: unknown) => told.push(String(error)),
        complete: () => told.push('end'),
      }),
  };
};

describe('tableThenChanges, as an operator', () => {
  operatorContract({
    operator: () => watching(noInstances),
    values: [anUpdate(1), anUpdate(2), anUpdate(3)],
  });
});

describe('a watch', () => {
  test('tells the table within subscribe, then each change', () => {
    marbles(({ flush }) => {
      const scene = stage();
      scene.commit(anUpdate(1));
      const subscription = scene.watch();
      expect(scene.told).toEqual(['all: a1']);
      scene.send(anUpdate(2, { id: 'b' }), anUpdate(3), aDelete(4, 'b'));
      flush();
      expect(scene.told).toEqual(['all: a1', 'b2', 'a3', 'no b']);
      subscription.unsubscribe();
    });
  });

  test('tells changes with their event, as it is', () => {
    marbles(({ flush }) => {
      const events$ = new Subject<LifecycleEvent>();
      const told: InstanceChange[] = [];
      events$.pipe(watching(noInstances)).subscribe((change) => told.push(change));
      const update = anUpdate(1);
      const gone = aDelete(2);
      events$.next(update);
      events$.next(gone);
      flush();
      expect(told).toEqual([
        { kind: 'snapshot', instances: [], cursor: { epoch: 'e', sequence: 0 } },
        { kind: 'upsert', instance: update.instance, event: update },
        { kind: 'removed', instanceId: 'a', event: gone },
      ]);
    });
  });

  test('tells no change within the call of the publisher', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const subscription = scene.watch();
      scene.send(anUpdate(1));
      expect(scene.told).toEqual(['all: ']);
      flush();
      expect(scene.told).toEqual(['all: ', 'a1']);
      subscription.unsubscribe();
    });
  });

  test('subscribes before it reads, and tells what came between once', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const subscription = scene.watch(() => {
        // The table holds the first when it is read, and not yet the second.
        scene.send(anUpdate(1));
        const view = scene.view();
        scene.send(anUpdate(2));
        return of(view);
      });
      flush();
      expect(scene.told).toEqual(['all: a1', 'a2']);
      subscription.unsubscribe();
    });
  });

  test('holds what comes during a slow read, and passes over what the table shows', () => {
    marbles(({ cold, flush }) => {
      const scene = stage();
      const subscription = scene.watch(() => defer(() => of(scene.view())).pipe(delay(1)));
      cold('ab').subscribe((letter) => {
        scene.send(anUpdate(letter === 'a' ? 1 : 2));
      });
      cold('---(c|)').subscribe(() => {
        scene.send(anUpdate(3));
      });
      flush();
      expect(scene.told[0]).toMatch(/^all: /);
      expect(scene.told.at(-1)).toBe('a3');
      expect(new Set(scene.told).size).toBe(scene.told.length);
      subscription.unsubscribe();
    });
  });

  test('is brought level after a lag, which is told first', () => {
    marbles(({ flush }) => {
      const lags: string[] = [];
      const onLag = ({ missed, from, to }: Lag<LifecycleEvent>): void => {
        lags.push(
          `lost ${String(from.sequence)}..${String(to.sequence)} (${String(missed)}) after ${scene.told.join(', ')}`,
        );
      };
      const scene = stage({ capacity: 2, onLag });
      const subscription = scene.watch();
      scene.send(anUpdate(1), anUpdate(2), anUpdate(3, { id: 'b' }), anUpdate(4));
      flush();
      expect(scene.told).toEqual(['all: ', 'a1', 'a2', 'all: a4 b3']);
      expect(lags).toEqual(['lost 3..4 (2) after all: , a1, a2']);
      scene.send(anUpdate(5));
      subscription.unsubscribe();
    });
  });

  test('has its whole queue free again while it is brought level', () => {
    marbles(({ cold, flush }) => {
      const scene = stage({ capacity: 2 });
      const gate$ = new Subject<TableView>();
      const subscription = scene.watch(() => (scene.told.length === 0 ? of(scene.view()) : gate$));
      scene.send(anUpdate(1), anUpdate(2), anUpdate(3));
      cold('-x').subscribe(() => {
        const view = scene.view();
        scene.send(anUpdate(4), anUpdate(5));
        gate$.next(view);
      });
      flush();
      expect(scene.told).toEqual(['all: ', 'a1', 'a2', 'all: a3', 'a4', 'a5']);
      subscription.unsubscribe();
    });
    marbles(({ cold, flush }) => {
      const scene = stage({ capacity: 2 });
      const gate$ = new Subject<TableView>();
      const subscription = scene.watch(() => (scene.told.length === 0 ? of(scene.view()) : gate$));
      // The hole is found at the second, while the third waits.
      scene.commit(anUpdate(1));
      scene.send(anUpdate(2), anUpdate(3));
      cold('-x').subscribe(() => {
        const view = scene.view();
        scene.send(anUpdate(4), anUpdate(5));
        gate$.next(view);
      });
      flush();
      expect(scene.told).toEqual(['all: ', 'all: a3', 'a4', 'a5']);
      subscription.unsubscribe();
    });
  });

  test('reads once for a source that emits and ends within subscribe, and ends after that read', () => {
    marbles(({ flush }) => {
      const told: string[] = [];
      let reads = 0;
      const read = (): Observable<TableView> => {
        reads += 1;
        return of({ ...start, instances: [] }).pipe(delay(3));
      };
      of(anUpdate(1))
        .pipe(watching(read))
        .subscribe({ next: (change) => told.push(textOf(change)), complete: () => told.push('end') });
      flush();
      expect([told, reads]).toEqual([['all: ', 'a1', 'end'], 1]);
    });
  });

  test('makes nothing of what was lost when the table shows it', () => {
    marbles(({ cold, flush }) => {
      const onLag = jest.fn();
      const scene = stage({ capacity: 1, onLag });
      const gate$ = new Subject<TableView>();
      const subscription = scene.watch(() => gate$);
      scene.send(anUpdate(1), anUpdate(2), anUpdate(3));
      gate$.next(scene.view());
      cold('-x').subscribe(() => {
        scene.send(anUpdate(4));
      });
      flush();
      expect([scene.told, onLag.mock.calls]).toEqual([['all: a3', 'a4'], []]);
      subscription.unsubscribe();
    });
  });

  test('is brought level when the sequence has a hole, and when the events are of another epoch', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const subscription = scene.watch();
      scene.send(anUpdate(1));
      flush();
      scene.commit(anUpdate(2, { id: 'b' }));
      scene.send(anUpdate(3));
      flush();
      expect(scene.told).toEqual(['all: ', 'a1', 'all: a3 b2']);
      scene.send({ ...anUpdate(1, { id: 'c' }), epoch: 'f' });
      flush();
      expect([scene.told.at(-1), scene.reads()]).toEqual(['all: a3 b2 c1', 3]);
      scene.send({ ...anUpdate(2), epoch: 'f' });
      flush();
      expect(scene.told.at(-1)).toBe('a2');
      subscription.unsubscribe();
    });
  });

  test('passes over an event that is told twice', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const subscription = scene.watch();
      scene.send(anUpdate(1), anUpdate(2));
      scene.events$.next(anUpdate(1));
      flush();
      expect(scene.told).toEqual(['all: ', 'a1', 'a2']);
      subscription.unsubscribe();
    });
  });

  test('goes on with what its own subscriber makes happen', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const told: string[] = [];
      const subscription = scene.events$.pipe(watching(() => of(scene.view()))).subscribe((change) => {
        told.push(textOf(change));
        if (told.length < 4) scene.send(anUpdate(told.length));
      });
      flush();
      expect(told).toEqual(['all: ', 'a1', 'a2', 'a3']);
      subscription.unsubscribe();
    });
  });

  test('counts on the first value of a read, and leaves it then', () => {
    marbles(({ cold, flush, expectSubscriptions }) => {
      const scene = stage();
      const read$ = cold<TableView>('-v-v', { v: scene.view() });
      const subscription = scene.watch(() => read$);
      expectSubscriptions(read$.subscriptions).toBe('^!');
      flush();
      expect(scene.told).toEqual(['all: ']);
      subscription.unsubscribe();
    });
  });

  test('tells what waits before the end, and ends after a read that is under way', () => {
    marbles(({ flush }) => {
      const scene = stage();
      scene.watch();
      scene.send(anUpdate(1));
      scene.events$.complete();
      expect(scene.told).toEqual(['all: ']);
      flush();
      expect(scene.told).toEqual(['all: ', 'a1', 'end']);
    });
    marbles(({ flush }) => {
      const scene = stage();
      const gate$ = new Subject<TableView>();
      scene.watch(() => gate$);
      scene.events$.complete();
      flush();
      expect(scene.told).toEqual([]);
      gate$.next(scene.view());
      flush();
      expect(scene.told).toEqual(['all: ', 'end']);
    });
  });

  test('tells nothing more once it is left, not even what waits', () => {
    marbles(({ flush }) => {
      const scene = stage();
      const subscription = scene.watch();
      scene.send(anUpdate(1));
      subscription.unsubscribe();
      flush();
      expect([scene.told, scene.events$.observed]).toEqual([['all: '], false]);
    });
  });
});

describe('a watch ends with the error', () => {
  const failure = new Error('of the user');
  const fail = (): never => {
    throw failure;
  };

  test.each<[string, () => Observable<TableView>, string]>([
    ['that a read throws', fail, 'Error: of the user'],
    ['of a read', () => throwError(() => failure), 'Error: of the user'],
    ['of a read that brings nothing', () => EMPTY, 'EmptyError: no elements in sequence'],
  ])('%s', (_, read, text) => {
    const scene = stage();
    scene.watch(read);
    expect([scene.told, scene.events$.observed]).toEqual([[text], false]);
  });

  test.each<[string, () => Observable<TableView>]>([
    ['throws', fail],
    ['fails', () => throwError(() => failure)],
  ])('of a later read that %s', (_, later) => {
    marbles(({ flush }) => {
      const scene = stage();
      let reads = 0;
      scene.watch(() => (reads++ === 0 ? noInstances() : later()));
      scene.send(anUpdate(2));
      flush();
      expect([scene.told, scene.events$.observed]).toEqual([['all: ', 'Error: of the user'], false]);
    });
  });

  test('that onLag throws, and reads no more', () => {
    marbles(({ flush }) => {
      const scene = stage({ capacity: 1, onLag: fail });
      scene.watch();
      scene.send(anUpdate(1), anUpdate(2));
      flush();
      expect([scene.told, scene.reads(), scene.events$.observed]).toEqual([
        ['all: ', 'a1', 'Error: of the user'],
        1,
        false,
      ]);
    });
  });

  test('of the events, also while it reads', () => {
    const scene = stage();
    scene.watch(() => NEVER);
    scene.events$.error(failure);
    expect(scene.told).toEqual(['Error: of the user']);
  });
});

type Step =
  | { readonly kind: 'change'; readonly id: string; readonly isDelete: boolean }
  | { readonly kind: 'lose'; readonly id: string }
  | { readonly kind: 'turn' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      id: fc.constantFrom('a', 'b', 'c'),
      isDelete: fc.boolean(),
    }),
    weight: 6,
  },
  {
    arbitrary: fc.record({ kind: fc.constant('lose' as const), id: fc.constantFrom('a', 'b', 'c') }),
    weight: 1,
  },
  { arbitrary: fc.constant({ kind: 'turn' as const }), weight: 2 },
);

/** Who applies each change in turn. */
const fold = (held: Map<string, Instance>, change: InstanceChange): void => {
  switch (change.kind) {
    case 'snapshot':
      held.clear();
      for (const instance of change.instances) held.set(instance.id, instance);
      return;
    case 'upsert':
      held.set(change.instance.id, change.instance);
      return;
    case 'removed':
      held.delete(change.instanceId);
      return;
    case 'closing':
  }
};

test('who applies each change holds the true table at every change, and in the end, whatever is lost', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1 }),
      (steps, capacity, readTimes) => {
        marbles(({ cold, flush }) => {
          const scene = stage();
          const bus = createLifecycleBus();
          const held = new Map<string, Instance>();
          const history: ReadonlyMap<string, Instance>[] = [new Map()];
          let reads = 0;
          // The view is taken when the read begins; it comes later.
          const read = (): Observable<TableView> =>
            defer(() => of(scene.view()).pipe(delay(readTimes[reads++ % readTimes.length] ?? 0)));
          const places: number[] = [];
          const subscription = bus.watch('app', read, { capacity }).subscribe((change) => {
            fold(held, change);
            const place = history.findLastIndex(
              (table) => JSON.stringify([...table].sort()) === JSON.stringify([...held].sort()),
            );
            places.push(place);
          });
          let sequence = 0;
          let time = 0;
          const act = (one: Exclude<Step, { kind: 'turn' }>): void => {
            const isDelete = one.kind === 'change' && one.isDelete;
            sequence += 1;
            const event = isDelete ? aDelete(sequence, one.id) : anUpdate(sequence, { id: one.id });
            scene.commit(event);
            history.push(new Map(scene.view().instances.map((instance) => [instance.id, instance])));
            if (one.kind === 'change') bus.publish(event);
          };
          for (const one of steps) {
            if (one.kind === 'turn') time += 1;
            else cold(`${String(time)}ms x`).subscribe(() => act(one));
          }
          // What was lost before is found out by the next event at the latest.
          cold(`${String(time + 1)}ms x`).subscribe(() => act({ kind: 'change', id: 'a', isDelete: false }));
          flush();
          expect(places).not.toContain(-1);
          expect([...held].sort()).toEqual([...(history.at(-1) ?? [])].sort());
          subscription.unsubscribe();
        });
      },
    ),
    { numRuns: 200 },
  );
});
