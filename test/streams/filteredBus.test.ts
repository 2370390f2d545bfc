import fc from 'fast-check';
import { asapScheduler, EMPTY, firstValueFrom, map, of, Subject, take } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { Overflow } from '../../src/streams/buffering.js';
import type { ConsumeOptions } from '../../src/streams/eventOptions.js';
import { concerns, type EventFilter, holdsFor } from '../../src/streams/instanceFilter.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import type { InstanceChange } from '../../src/lifecycle/instanceChange.js';
import { anInstance } from '../support/lifecycleEvents.js';

type Step = readonly [id: string, what: 'Running' | 'Stopped' | 'delete', team: string | undefined];

/** A table, and a bus that tells what becomes of it. */
const createWorld = () => {
  const bus: LifecycleBus = createLifecycleBus();
  const table = new Map<string, Instance>();
  let sequence = 0;
  const apply = ([id, what, team]: Step): LifecycleEvent | undefined => {
    const before = table.get(id);
    if (what === 'delete' && before === undefined) return undefined;
    sequence += 1;
    const place = { epoch: 'e', sequence, time: 0, instanceId: id, cause: { by: 'caller' } };
    let event: LifecycleEvent;
    if (what === 'delete' && before !== undefined) {
      table.delete(id);
      event = { ...place, action: 'delete', last: before, previousState: before.state };
    } else {
      const spec = { driver: 'memory', image: 'any', env: {}, tags: team === undefined ? {} : { team } };
      const state = what === 'Stopped' ? 'Stopped' : 'Running';
      const instance = anInstance({ id, state, spec, revision: sequence });
      table.set(id, instance);
      event = {
        ...place,
        instance,
        ...(before === undefined ? { action: 'create' } : { action: 'update', previousState: before.state }),
      };
    }
    bus.publish(event);
    return event;
  };
  const view = (instanceId?: string) =>
    of({
      ...{ epoch: 'e', sequence },
      instances: [...table.values()].filter(({ id }) => instanceId === undefined || id === instanceId),
    });
  const matching = (filter: EventFilter): Map<string, Instance> =>
    new Map(
      [...table]
        .filter(([id]) => filter.instanceId === undefined || filter.instanceId === id)
        .filter(([, instance]) => holdsFor(filter)(instance)),
    );
  return { bus, apply, view, matching };
};

/** Applies changes in turn, and holds each against what is held already. */
const follow = (held: Map<string, Instance>, change: InstanceChange): void => {
  switch (change.kind) {
    case 'snapshot':
      held.clear();
      for (const instance of change.instances) held.set(instance.id, instance);
      break;
    case 'upsert':
      held.set(change.instance.id, change.instance);
      break;
    case 'removed':
      expect(held.get(change.instanceId)).toEqual(change.last);
      held.delete(change.instanceId);
      break;
    case 'closing':
  }
};

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    asapScheduler.schedule(() => {
      resolve();
    });
  });

const ids = ['a', 'b', 'c'];
const anyStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(...ids),
  fc.constantFrom('Running', 'Stopped', 'delete'),
  fc.constantFrom('red', 'blue', undefined),
);
const anyFilter: fc.Arbitrary<EventFilter> = fc.record(
  {
    instanceId: fc.constantFrom(...ids),
    state: fc.constantFrom('Running', 'Stopped'),
    tags: fc.constantFrom<Record<string, string>>({ team: 'red' }, {}),
    driver: fc.constantFrom('memory', 'other'),
  },
  { requiredKeys: [] },
);

const concerning = (filter: EventFilter) => (event: LifecycleEvent) =>
  (filter.instanceId === undefined || filter.instanceId === event.instanceId) &&
  holdsFor(filter)((event.instance ?? event.last) as Instance);

describe('with a filter', () => {
  it('a watch holds those for which it holds, whatever happens and however small its queue', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyStep, { maxLength: 6 }), { maxLength: 8 }),
        anyFilter,
        fc.integer({ min: 1, max: 4 }),
        async (bursts, filter, capacity) => {
          const { bus, apply, view, matching } = createWorld();
          apply(['a', 'Running', 'red']);
          const held = new Map<string, Instance>();
          bus.watch('test', view, { ...filter, capacity }).subscribe((change) => {
            follow(held, change);
          });
          for (const burst of bursts) {
            burst.forEach(apply);
            await turn();
            await turn();
            expect(held).toEqual(matching(filter));
          }
        },
      ),
    );
  });

  it('a watch is told nothing of what does not concern it', async () => {
    const { bus, apply, view } = createWorld();
    const told: InstanceChange[] = [];
    bus.watch('test', view, { tags: { team: 'red' }, capacity: 1 }).subscribe((change) => told.push(change));
    for (let times = 0; times < 9; times += 1) apply(['b', 'Running', 'blue']);
    apply(['a', 'Running', 'red']);
    await turn();
    expect(told.map(({ kind }) => kind)).toEqual(['snapshot', 'upsert']);
    expect(bus.stats()['test']).toMatchObject({ lagged: 0, highWater: 1 });
  });

  it('a watch that reads its table meanwhile is told nothing of what does not concern it, and all that does', async () => {
    const { bus, apply, view } = createWorld();
    apply(['one', 'Running', 'a']);
    const read$ = new Subject<void>();
    const told: InstanceChange[] = [];
    const before = await firstValueFrom(view());
    const reading$ = read$.pipe(
      take(1),
      map(() => before),
    );
    const watching = bus
      .watch('test', () => reading$, { tags: { team: 'a' } })
      .subscribe((change) => told.push(change));
    apply(['other', 'Running', 'b']);
    apply(['two', 'Running', 'a']);
    read$.next();
    await turn();
    watching.unsubscribe();
    expect(told.map((change) => ('instance' in change ? change.instance.id : change.kind))).toEqual([
      'snapshot',
      'two',
    ]);
  });

  it('a watch tells one that leaves as removed, with the view that was the last in it', async () => {
    const { bus, apply, view } = createWorld();
    const told: InstanceChange[] = [];
    bus.watch('test', view, { tags: { team: 'red' } }).subscribe((change) => told.push(change));
    const red = apply(['a', 'Running', 'red']);
    const blue = apply(['a', 'Running', 'blue']);
    apply(['a', 'Stopped', 'blue']);
    const again = apply(['a', 'Stopped', 'red']);
    const gone = apply(['a', 'delete', undefined]);
    await turn();
    expect(told.slice(1)).toEqual([
      { kind: 'upsert', instance: red?.instance, event: red },
      { kind: 'removed', instanceId: 'a', last: red?.instance, event: blue },
      { kind: 'upsert', instance: again?.instance, event: again },
      { kind: 'removed', instanceId: 'a', last: again?.instance, event: gone },
    ]);
  });

  it('events, consume and iterate give what it holds for, in order and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 20 }), anyFilter, async (steps, filter) => {
        const { bus, apply } = createWorld();
        const [heard, done, read]: LifecycleEvent[][] = [[], [], []];
        bus.events('test', filter).subscribe((event) => heard?.push(event));
        bus
          .consume(
            'test',
            (event, index) => {
              expect(index).toBe(done?.length);
              done?.push(event);
              return EMPTY;
            },
            filter,
          )
          .subscribe();
        const events = bus.iterate('test', filter)[Symbol.asyncIterator]();
        const all = steps.map(apply).filter((event) => event !== undefined);
        bus.close();
        for (let next = await events.next(); next.done !== true; next = await events.next()) {
          read?.push(next.value);
        }
        const expected = all.filter(concerning(filter));
        expect([heard, done, read]).toEqual([expected, expected, expected]);
        expect(bus.stats()['test']?.subscribers).toBe(0);
      }),
    );
  });

  it.each<Overflow>(['dropNewest', 'dropOldest', 'latest'])(
    'what is lost of it is counted, and of nothing else: %s',
    (overflow) => {
      const { bus, apply } = createWorld();
      const given: number[] = [];
      let missed = 0;
      const options: ConsumeOptions = {
        ...{ tags: { team: 'red' }, capacity: 2, overflow },
        keyOf: () => 'one',
        onLag: (lag) => (missed += lag.missed),
      };
      let release: (() => void) | undefined;
      bus
        .consume(
          'test',
          ({ sequence }) => {
            given.push(sequence);
            return release === undefined ? new Promise<void>((resolve) => (release = resolve)) : EMPTY;
          },
          options,
        )
        .subscribe();
      for (let times = 0; times < 5; times += 1) {
        apply(['a', 'Running', 'red']);
        apply(['b', 'Running', 'blue']);
      }
      const dropped = Object.values(bus.stats()['test']?.dropped ?? {}).reduce((sum, count) => sum + count);
      expect(dropped).toBe(2);
      expect(given).toEqual([1]);
      release?.();
      return turn().then(async () => {
        await turn();
        expect(given.length + missed).toBe(5);
        expect(given.every((sequence) => sequence % 2 === 1)).toBe(true);
      });
    },
  );

  it.each<[string, (bus: LifecycleBus, filter: never) => unknown]>([
    ['events', (bus, filter) => bus.events('test', filter)],
    ['consume', (bus, filter) => bus.consume('test', () => EMPTY, filter)],
    ['iterate', (bus, filter) => bus.iterate('test', filter)],
    ['watch', (bus, filter) => bus.watch('test', () => EMPTY, filter)],
  ])('that is none, %s says what is wrong with it', (_, use) => {
    const bus = createLifecycleBus();
    const bad = { state: 'running', tags: { team: 1 }, instanceId: 7, tag: 'x' } as never;
    expect(() => use(bus, bad)).toThrow(/state: found 'running', expected one of Created/);
    expect(() => use(bus, bad)).toThrow(/tags\.team: found 1/);
    expect(() => use(bus, bad)).toThrow(/instanceId: found 7/);
    expect(() => use(bus, bad)).toThrow(/tag: found .* expected another key, perhaps tags/);
  });

  it('a read is told of which instance alone it need tell', async () => {
    const { bus } = createWorld();
    const asked: (string | undefined)[] = [];
    const read = (instanceId?: string) => {
      asked.push(instanceId);
      return of({ epoch: 'e', sequence: 0, instances: [] });
    };
    await firstValueFrom(bus.watch('test', read, { instanceId: 'a' }));
    await firstValueFrom(bus.watch('test', read, { tags: {} }));
    expect(asked).toEqual(['a', undefined]);
  });
});

it('a filter by id lets the events of that instance through, and of no other', () => {
  const { apply } = createWorld();
  const events = [apply(['one', 'Running', 'a']), apply(['two', 'Running', 'a'])];
  const isAsked = concerns({ instanceId: 'two' });
  expect(events.filter((event) => event !== undefined).map(isAsked)).toEqual([false, true]);
});
