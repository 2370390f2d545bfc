import { finalize, map, merge, NEVER, Subject, Subscriber, take } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { EventsOptions } from '../../src/streams/eventOptions.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import { collectGarbage } from '../support/collectGarbage.js';
import { hear } from '../support/hear.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';
import { released } from '../support/released.js';
import { thrownBy } from '../support/thrownBy.js';

/** The two ways to subscribe; all events of these tests are of instance `a`, unless they say otherwise. */
const ways: readonly (readonly [string, EventsOptions])[] = [
  ['to all', {}],
  ['to one instance', { instanceId: 'a' }],
];

/** One subscriber of each way, and each way twice, so that every pair of ways has both orders. */
const pairs = ways.flatMap(([one, first]) =>
  ways.map(([other, second]) => [one, other, first, second] as const),
);

describe('events', () => {
  test('tells every subscriber of every consumer the very same event, within the publish', () => {
    const bus = createLifecycleBus();
    const heard: LifecycleEvent[] = [];
    for (const consumer of ['wait_for_state', 'auto_standby', 'app', 'app']) {
      bus.events(consumer).subscribe((event) => heard.push(event));
    }
    bus.events('app', { instanceId: 'a' }).subscribe((event) => heard.push(event));
    const event = anUpdate(1);
    bus.publish(event);
    expect(heard).toHaveLength(5);
    for (const one of heard) expect(one).toBe(event);
  });

  test('tells a subscriber to one instance of that alone, by its exact id', () => {
    const bus = createLifecycleBus();
    const ofA = hear(bus, 'app', { instanceId: 'a' });
    const ofAb = hear(bus, 'app', { instanceId: 'ab' });
    const ofNone = hear(bus, 'app', { instanceId: '' });
    const ofAll = hear(bus, 'app', { instanceId: undefined } as object);
    bus.publish(anUpdate(1));
    bus.publish(anUpdate(2, { id: 'ab' }));
    bus.publish(aDelete(3, 'a'));
    bus.publish(anUpdate(4, { id: '__proto__' }));
    expect([ofA, ofAb, ofNone, ofAll].map(({ heard }) => heard)).toEqual([[1, 3], [2], [], [1, 2, 3, 4]]);
  });

  test('is cold: counts and tells nobody before the subscribe, and each subscriber by itself', () => {
    const bus = createLifecycleBus();
    const events$ = bus.events('app');
    bus.publish(anUpdate(1));
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0 });
    const heard: number[] = [];
    events$.subscribe(({ sequence }) => heard.push(sequence));
    events$.subscribe(({ sequence }) => heard.push(-sequence));
    expect(bus.stats()['app']).toMatchObject({ subscribers: 2 });
    bus.publish(anUpdate(2));
    expect(heard).toEqual([2, -2]);
  });

  test.each(ways)(
    'tells subscribers %s that arrive and leave at different times what came between',
    (_, options) => {
      const bus = createLifecycleBus();
      const publish = (...sequences: readonly number[]): void => {
        for (const sequence of sequences) bus.publish(anUpdate(sequence));
      };
      publish(1, 2);
      const first = hear(bus, 'app', options);
      publish(3);
      const second = hear(bus, 'app', options);
      publish(4);
      first.subscription.unsubscribe();
      publish(5);
      second.subscription.unsubscribe();
      publish(6);
      const third = hear(bus, 'app', options);
      publish(7);
      expect([first, second, third].map(({ heard }) => heard)).toEqual([[3, 4], [4, 5], [7]]);
      expect(bus.stats()['app']).toMatchObject({ subscribers: 1 });
    },
  );
});

describe('an event published by a subscriber', () => {
  test.each(pairs)(
    'is heard after the one at hand, by subscribers %s and %s alike',
    (_, __, first, second) => {
      const bus = createLifecycleBus();
      const one = hear(bus, 'app', first);
      bus.events('app', first).subscribe(({ sequence }) => {
        if (sequence >= 3) return;
        bus.publish(anUpdate(10 * sequence + 1));
        bus.publish(anUpdate(10 * sequence + 2));
      });
      const other = hear(bus, 'app', second);
      bus.publish(anUpdate(1));
      bus.publish(anUpdate(2));
      const order = [1, 11, 12, 2, 21, 22];
      expect([one.heard, other.heard]).toEqual([order, order]);
    },
  );

  test('of another instance keeps its place too', () => {
    const bus = createLifecycleBus();
    const heard: string[] = [];
    const note = (who: string) => (event: LifecycleEvent) => heard.push(`${who} ${String(event.sequence)}`);
    bus.events('app', { instanceId: 'a' }).subscribe((event) => {
      bus.publish(anUpdate(event.sequence + 1, { id: 'b' }));
    });
    bus.events('app', { instanceId: 'b' }).subscribe(note('b'));
    bus.events('app', { instanceId: 'a' }).subscribe(note('a'));
    bus.events('app').subscribe(note('all'));
    bus.publish(anUpdate(1));
    expect(heard.filter((line) => line.startsWith('all'))).toEqual(['all 1', 'all 2']);
    expect(heard.indexOf('a 1')).toBeLessThan(heard.indexOf('b 2'));
    expect(heard.indexOf('all 1')).toBeLessThan(heard.indexOf('b 2'));
  });

  test('does not grow the stack, however many follow one another', () => {
    const bus = createLifecycleBus();
    bus.events('app').subscribe(({ sequence }) => {
      if (sequence < 100_000) bus.publish(anUpdate(sequence + 1));
    });
    const last = hear(bus);
    bus.publish(anUpdate(1));
    expect([last.heard.length, last.heard.at(-1)]).toEqual([100_000, 100_000]);
  });
});

describe('within a dispatch', () => {
  test.each(pairs)('who subscribes %s is told by one %s from the next event on', (_, __, late, early) => {
    const bus = createLifecycleBus();
    const latecomers: ReturnType<typeof hear>[] = [];
    bus.events('app', early).subscribe(() => {
      if (latecomers.length === 0) latecomers.push(hear(bus, 'app', late));
    });
    bus.publish(anUpdate(1));
    bus.publish(anUpdate(2));
    expect(latecomers.map(({ heard }) => heard)).toEqual([[2]]);
  });

  test.each(pairs)('who is unsubscribed, %s by one %s, hears no more', (_, __, leaving, first) => {
    const bus = createLifecycleBus();
    const leave: (() => void)[] = [];
    bus.events('app', first).subscribe(() => {
      for (const call of leave) call();
    });
    const left = hear(bus, 'app', leaving);
    leave.push(() => {
      left.subscription.unsubscribe();
    });
    const stays = hear(bus, 'app', leaving);
    bus.publish(anUpdate(1));
    bus.publish(anUpdate(2));
    // Subscribers to all are told before those to one instance.
    const wasToldFirst = leaving.instanceId === undefined && first.instanceId !== undefined;
    expect([left.heard, stays.heard]).toEqual([wasToldFirst ? [1] : [], [1, 2]]);
    expect(bus.stats()['app']).toMatchObject({ subscribers: 2 });
  });

  test.each(ways)(
    'who leaves by itself, %s, hears no more, and takes nothing from the others',
    (_, options) => {
      const bus = createLifecycleBus();
      const heard: number[] = [];
      bus
        .events('app', options)
        .pipe(take(1))
        .subscribe(({ sequence }) => heard.push(sequence));
      const stays = hear(bus, 'app', options);
      bus.publish(anUpdate(1));
      bus.publish(anUpdate(2));
      expect([heard, stays.heard]).toEqual([[1], [1, 2]]);
    },
  );

  test.each(pairs)(
    'a close by one %s ends one %s after the events published before it',
    (_, __, first, second) => {
      const bus = createLifecycleBus();
      const before = hear(bus, 'app', second);
      bus.events('app', first).subscribe(({ sequence }) => {
        if (sequence > 1) return;
        bus.publish(anUpdate(2));
        bus.close();
        bus.publish(anUpdate(3));
        expect(hear(bus, 'app', second).heard).toEqual(['end']);
      });
      const after = hear(bus, 'app', second);
      bus.publish(anUpdate(1));
      expect([before.heard, after.heard]).toEqual([
        [1, 2, 'end'],
        [1, 2, 'end'],
      ]);
      expect(bus.stats()['app']).toMatchObject({ subscribers: 0, thrown: 0 });
    },
  );
});

describe('a subscriber that throws', () => {
  const failure = new Error('of the subscriber');
  const fail = (): never => {
    throw failure;
  };
  const failing = () => new Subscriber<LifecycleEvent>({ next: fail, error: fail, complete: fail });

  /** A bus that notes what it is told of throwing subscribers. */
  const stage = () => {
    const thrown: unknown[] = [];
    const bus = createLifecycleBus({ onThrow: (consumer, error) => thrown.push([consumer, error]) });
    return { bus, thrown };
  };

  describe.each(ways)('%s', (_, options) => {
    test.each<[string, (bus: ReturnType<typeof createLifecycleBus>) => unknown]>([
      ['in next', (bus) => bus.events('bad', options).subscribe(fail)],
      [
        'behind pipe',
        (bus) =>
          bus
            .events('bad', options)
            .pipe(map((event) => event))
            .subscribe(fail),
      ],
      ['in an operator', (bus) => bus.events('bad', options).pipe(map(fail)).subscribe()],
      ['with a Subscriber of its own', (bus) => bus.events('bad', options).subscribe(failing())],
      ['where streams are joined', (bus) => merge(bus.events('bad', options), NEVER).subscribe(failing())],
      ['in a teardown', (bus) => bus.events('bad', options).pipe(take(1), finalize(fail)).subscribe()],
    ])('is unsubscribed and counted, and nobody else is hurt: %s', (__, subscribe) => {
      const { bus, thrown } = stage();
      const before = hear(bus, 'good', options);
      subscribe(bus);
      const after = hear(bus, 'good', options);
      const all = hear(bus, 'good');
      bus.publish(anUpdate(1));
      bus.publish(anUpdate(2));
      expect([before.heard, after.heard, all.heard]).toEqual([
        [1, 2],
        [1, 2],
        [1, 2],
      ]);
      const { bad, good } = bus.stats();
      expect([bad, good]).toMatchObject([
        { subscribers: 0, thrown: 1 },
        { subscribers: 3, thrown: 0 },
      ]);
      expect(thrown).toEqual([['bad', expect.any(Error)]]);
    });

    test('at the end is counted, and nobody else is hurt', () => {
      const { bus, thrown } = stage();
      bus.events('bad', options).subscribe({ complete: fail });
      bus.events('bad', options).subscribe().add(fail);
      const good = hear(bus, 'good', options);
      bus.close();
      expect(good.heard).toEqual(['end']);
      expect(bus.stats()).toMatchObject({
        bad: { subscribers: 0, thrown: 2 },
        good: { subscribers: 0, thrown: 0 },
      });
      expect(thrown).toHaveLength(2);
    });

    test('while another event is published from it loses nobody that event', () => {
      const { bus } = stage();
      bus.events('bad', options).subscribe(({ sequence }) => {
        bus.publish(anUpdate(sequence + 1));
        fail();
      });
      const good = hear(bus, 'good', options);
      bus.publish(anUpdate(1));
      expect(good.heard).toEqual([1, 2]);
    });

    test('is counted when onThrow throws', () => {
      const bus = createLifecycleBus({ onThrow: fail });
      bus.events('bad', options).subscribe(fail);
      const good = hear(bus, 'good', options);
      bus.publish(anUpdate(1));
      bus.publish(anUpdate(2));
      expect([good.heard, bus.stats()['bad']]).toMatchObject([[1, 2], { subscribers: 0, thrown: 1 }]);
    });

    test('is told on the console, once, where there is no onThrow', () => {
      const error = jest.spyOn(console, 'error').mockReturnValue();
      const bus = createLifecycleBus();
      bus.events('bad', options).subscribe(fail);
      bus.publish(anUpdate(1));
      bus.publish(anUpdate(2));
      expect(error.mock.calls).toEqual([[expect.stringContaining('"bad"'), failure]]);
      error.mockRestore();
    });
  });

  test('may publish from onThrow, which is heard in its order', () => {
    const bus = createLifecycleBus({
      onThrow: () => {
        bus.publish(anUpdate(2));
      },
    });
    const before = hear(bus);
    bus.events('bad').subscribe(fail);
    const after = hear(bus);
    bus.publish(anUpdate(1));
    expect([before.heard, after.heard]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test('that does not handle an error of its own work is counted', () => {
    const { bus, thrown } = stage();
    const handled: unknown[] = [];
    bus.consume('bad', fail).subscribe();
    bus.consume('good', fail).subscribe({ error: (error: unknown) => handled.push(error) });
    bus.publish(anUpdate(1));
    expect([thrown, handled]).toEqual([[['bad', failure]], [failure]]);
    expect(bus.stats()).toMatchObject({
      bad: { subscribers: 0, thrown: 1 },
      good: { subscribers: 0, thrown: 0 },
    });
  });

  test('that does not handle the error of a read is counted', () => {
    const { bus, thrown } = stage();
    bus.watch('bad', fail).subscribe();
    expect([thrown, bus.stats()['bad']]).toMatchObject([[['bad', failure]], { subscribers: 0, thrown: 1 }]);
  });
});

describe('close', () => {
  test('ends every stream once, whatever way it was subscribed to', async () => {
    const bus = createLifecycleBus();
    const ends: string[] = [];
    const ending = (who: string) => ({ complete: () => ends.push(who) });
    bus.events('app').subscribe(ending('all'));
    bus.events('app', { instanceId: 'a' }).subscribe(ending('a'));
    bus.consume('app', () => []).subscribe(ending('consume'));
    const read = bus.iterate('app')[Symbol.asyncIterator]().next();
    bus.close();
    bus.close();
    expect(await read).toEqual({ done: true, value: undefined });
    expect(ends.sort()).toEqual(['a', 'all', 'consume']);
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0, maxQueueDepth: 0 });
  });

  test('lets work that waits be done first', () => {
    const bus = createLifecycleBus();
    const gate$ = new Subject<never>();
    const told: unknown[] = [];
    bus
      .consume('app', ({ sequence }) => (sequence === 1 ? gate$ : [sequence]))
      .subscribe({ next: (sequence) => told.push(sequence), complete: () => told.push('end') });
    bus.publish(anUpdate(1));
    bus.publish(anUpdate(2));
    bus.close();
    expect(told).toEqual([]);
    gate$.complete();
    expect(told).toEqual([2, 'end']);
  });

  test('gives those who come later the end at once, and tells them nothing', async () => {
    const bus = createLifecycleBus();
    bus.close();
    for (const [, options] of ways) {
      const late = hear(bus, 'app', options);
      expect(late.heard).toEqual(['end']);
      bus.publish(anUpdate(1));
      expect(late.heard).toEqual(['end']);
    }
    for await (const event of bus.iterate('app')) expect(event).toBe('nothing');
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0 });
  });

  test.each(pairs)('lets nobody hear, %s, what is published at the end by one %s', (_, __, second, first) => {
    const bus = createLifecycleBus();
    bus.events('app', first).subscribe({
      complete: () => {
        bus.publish(anUpdate(1));
        bus.close();
      },
    });
    const other = hear(bus, 'app', second);
    bus.close();
    expect(other.heard).toEqual(['end']);
  });
});

describe('the end', () => {
  test.each(pairs)(
    'is not told %s to who was unsubscribed by one %s on hearing it',
    (_, __, first, second) => {
      const bus = createLifecycleBus();
      bus.events('app', second).subscribe({
        complete: () => {
          for (const { subscription } of others) subscription.unsubscribe();
        },
      });
      const others = [second, first].map((options) => hear(bus, 'app', options));
      bus.close();
      // Those who listen to all hear it first.
      const isTold = second.instanceId !== undefined && first.instanceId === undefined;
      expect(others.map(({ heard }) => heard)).toEqual([[], isTold ? ['end'] : []]);
      expect(bus.stats()['app']).toMatchObject({ subscribers: 0 });
    },
  );
});

describe('when it is over, nothing is held on to', () => {
  const listening: () => void = () => undefined;

  test.each(ways)('of a subscriber %s that has left', async (_, options) => {
    const bus = createLifecycleBus();
    const isReleased = await released(() => {
      const subscription = bus.events('app', options).subscribe(listening);
      subscription.unsubscribe();
      return subscription;
    });
    bus.publish(anUpdate(1));
    expect(isReleased).toBe(true);
  });

  test.each(ways)('of a subscriber %s that has thrown', async (_, options) => {
    const bus = createLifecycleBus({ onThrow: () => undefined });
    const isReleased = await released(() => {
      const subscription = bus.events('app', options).subscribe(() => {
        throw new Error('once');
      });
      bus.publish(anUpdate(1));
      return subscription;
    });
    bus.publish(anUpdate(2));
    expect(isReleased).toBe(true);
  });

  test.each(ways)('of a subscriber %s, after the close', async (_, options) => {
    const bus = createLifecycleBus();
    const isReleased = await released(() => {
      const subscription = bus.events('app', options).subscribe(listening);
      bus.close();
      return subscription;
    });
    expect([isReleased, bus.stats()['app']]).toMatchObject([true, { subscribers: 0 }]);
  });

  test('of the instances that somebody listened to', () => {
    const bus = createLifecycleBus();
    const listenTo = (count: number): number => {
      for (let index = 0; index < count; index += 1) {
        const instanceId = `instance-${String(count)}-${String(index)}`;
        bus.events('app', { instanceId }).subscribe(listening).unsubscribe();
      }
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = listenTo(1_000);
    // An entry takes some 300 bytes.
    expect(listenTo(50_000) - before).toBeLessThan(5_000_000);
    bus.close();
  });

  test('of an event that was told', async () => {
    const bus = createLifecycleBus();
    const all = hear(bus);
    const one = hear(bus, 'app', { instanceId: 'a' });
    const isReleased = await released(() => {
      const event = anUpdate(1);
      bus.publish(event);
      return event;
    });
    bus.close();
    expect([isReleased, all.heard, one.heard]).toEqual([true, [1, 'end'], [1, 'end']]);
  });

  test('of an event that waited for work or a reader that has left', async () => {
    const bus = createLifecycleBus();
    const iterator = bus.iterate('app')[Symbol.asyncIterator]();
    const work = bus.consume('app', () => NEVER).subscribe();
    bus.publish(anUpdate(1));
    const isReleased = await released(() => {
      const event = anUpdate(2);
      bus.publish(event);
      void iterator.return?.();
      work.unsubscribe();
      return event;
    });
    bus.publish(anUpdate(3));
    expect(isReleased).toBe(true);
    expect(await iterator.next()).toMatchObject({ done: true });
  });
});

describe('a bus cannot be made', () => {
  test.each<[string, unknown]>([
    ['capacity', 0],
    ['capacity', -1],
    ['capacity', NaN],
    ['capacity', 1.5],
    ['capacity', Infinity],
    ['capacity', 2 ** 24 + 1],
    ['capacity', '3'],
    ['onThrow', 'log'],
    ['overflow', 'latest'],
  ])('with %s %p', (key, value) => {
    expect(thrownBy(() => createLifecycleBus({ [key]: value }))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: key }],
    });
  });
});

test.each<[string, unknown, string]>([
  ['a key that there is not', { instanceID: 'a' }, 'instanceID'],
  ['an id that is no text', { instanceId: 5 }, 'instanceId'],
  ['null', null, ''],
])('events are refused at once with %s', (_, options, path) => {
  expect(thrownBy(() => createLifecycleBus().events('app', options as EventsOptions))).toMatchObject({
    _tag: 'InvalidRequest',
    faults: [{ path }],
  });
});
