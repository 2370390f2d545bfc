import { finalize, Subject, Subscriber, take } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Buffering, Lag } from '../../src/streams/buffering.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import { hear } from '../support/hear.js';
import { anUpdate } from '../support/lifecycleEvents.js';
import { released } from '../support/released.js';
import { thrownBy } from '../support/thrownBy.js';

/*
 * What the tests of others hold their event streams to, said in our words and asked of our bus. Where ours differs, the
 * name of the test says how.
 */

const publish = (bus: LifecycleBus, ...sequences: readonly number[]): void => {
  for (const sequence of sequences) bus.publish(anUpdate(sequence));
};

/** A reader of the bus: `read` brings what waits, a lag as text first, and `empty` where nothing waits. */
const reader = (bus: LifecycleBus, buffering: Buffering<LifecycleEvent> = {}, consumer = 'app') => {
  const lags: string[] = [];
  const onLag = ({ missed }: Lag<LifecycleEvent>): void => {
    lags.push(`lagged ${String(missed)}`);
  };
  const iterator = bus
    .iterate(consumer, { overflow: 'dropOldest', ...buffering, onLag })
    [Symbol.asyncIterator]();
  const next = async (): Promise<number | 'closed'> => {
    const result = await iterator.next();
    return result.done === true ? 'closed' : result.value.sequence;
  };
  return {
    iterator,
    next,
    /** Reads so many values, with the lags before them. */
    read: async (count: number): Promise<readonly unknown[]> => {
      const told: unknown[] = [];
      for (let index = 0; index < count; index += 1) {
        const value = await next();
        told.push(...lags.splice(0), value);
      }
      return told;
    },
  };
};

const depthOf = (bus: LifecycleBus, consumer = 'app'): number | undefined =>
  bus.stats()[consumer]?.maxQueueDepth;

describe('Tokio broadcast', () => {
  test('nothing is there to read before the first value, then one, then nothing', async () => {
    const bus = createLifecycleBus({ capacity: 16 });
    const { read } = reader(bus);
    expect(depthOf(bus)).toBe(0);
    publish(bus, 1);
    expect([depthOf(bus), await read(1), depthOf(bus)]).toEqual([1, [1], 0]);
  });

  test('two receivers get each value, and one that waits is woken by it', async () => {
    const bus = createLifecycleBus({ capacity: 16 });
    const first = reader(bus);
    const second = reader(bus);
    const woken = first.next();
    publish(bus, 1, 2);
    expect([await woken, await first.next(), await second.read(2)]).toEqual([1, 2, [1, 2]]);
  });

  test('a slow receiver reads all that a fast one has read already', async () => {
    const bus = createLifecycleBus({ capacity: 16 });
    const fast = reader(bus);
    const slow = reader(bus);
    for (const sequence of [1, 2, 3]) {
      publish(bus, sequence);
      expect(await fast.next()).toBe(sequence);
    }
    expect(await slow.read(3)).toEqual([1, 2, 3]);
  });

  test('capacity 2 and three sends lag by 1, four by 2; then what is retained', async () => {
    for (const [sent, expected] of [
      [3, ['lagged 1', 2, 3]],
      [4, ['lagged 2', 3, 4]],
    ] as const) {
      const bus = createLifecycleBus({ capacity: 2 });
      const { read } = reader(bus);
      publish(bus, ...[1, 2, 3, 4].slice(0, sent));
      expect([await read(2), depthOf(bus)]).toEqual([expected, 0]);
    }
  });

  test('a lag is of one receiver: who has read in time does not lag', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const first = reader(bus);
    const second = reader(bus);
    publish(bus, 1, 2);
    expect(await first.read(1)).toEqual([1]);
    publish(bus, 3);
    expect([await first.read(2), await second.read(2)]).toEqual([
      [2, 3],
      ['lagged 1', 2, 3],
    ]);
  });

  test('a lag counts what was lost since the last read, not since the beginning', async () => {
    const bus = createLifecycleBus({ capacity: 4 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3, 4);
    expect(await read(1)).toEqual([1]);
    publish(bus, 5, 6, 7, 8);
    expect(await read(4)).toEqual(['lagged 3', 5, 6, 7, 8]);
  });

  test('after a lag that was caught up with, a second counts the new gap only', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3);
    expect(await read(2)).toEqual(['lagged 1', 2, 3]);
    publish(bus, 4, 5, 6, 7);
    expect(await read(2)).toEqual(['lagged 2', 6, 7]);
  });

  test('what is lost between a lag and the read is one lag with it here, since it is told only at a read', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3);
    publish(bus, 4, 5, 6);
    expect(await read(2)).toEqual(['lagged 4', 5, 6]);
  });

  test('capacity 1 keeps the last', async () => {
    const bus = createLifecycleBus({ capacity: 1 });
    const { read } = reader(bus);
    publish(bus, 1);
    expect(await read(1)).toEqual([1]);
    publish(bus, 2, 3);
    expect(await read(1)).toEqual(['lagged 1', 3]);
  });

  test('the depth never counts what is lost here, and falls with each read', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3, 4);
    const depths = [depthOf(bus)];
    for (let count = 0; count < 2; count += 1) {
      await read(1);
      depths.push(depthOf(bus));
    }
    expect(depths).toEqual([2, 1, 0]);
  });

  test('capacity 3 is exactly 3 here: it lags at the fourth, not rounded up to the fifth', async () => {
    const bus = createLifecycleBus({ capacity: 3 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3);
    expect(bus.stats()['app']).toMatchObject({ maxQueueDepth: 3, dropped: { overwritten: 0 } });
    publish(bus, 4);
    expect(await read(3)).toEqual(['lagged 1', 2, 3, 4]);
  });

  test('after the close a lag and what is retained are still told, then the end; the close takes no place', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const { read } = reader(bus);
    publish(bus, 1, 2, 3);
    bus.close();
    expect(await read(4)).toEqual(['lagged 1', 2, 3, 'closed', 'closed']);
  });

  test('who comes later begins at the tail, and disturbs nobody; after the close it finds the end', async () => {
    const bus = createLifecycleBus({ capacity: 2 });
    const first = reader(bus);
    publish(bus, 1);
    const later = reader(bus);
    publish(bus, 2);
    expect([await first.read(2), await later.read(1)]).toEqual([[1, 2], [2]]);
    bus.close();
    expect([await reader(bus).read(1), await first.read(1), await later.read(1)]).toEqual([
      ['closed'],
      ['closed'],
      ['closed'],
    ]);
  });

  test('a send without a receiver is no failure here; who comes later hears only what comes later', async () => {
    const bus = createLifecycleBus();
    publish(bus, 1);
    const { read } = reader(bus);
    publish(bus, 2);
    expect(await read(1)).toEqual([2]);
  });

  test('a receiver that goes releases what it has not read', async () => {
    const bus = createLifecycleBus();
    const gone = reader(bus);
    const stays = reader(bus);
    const isReleased = await released(() => {
      const event = anUpdate(1);
      bus.publish(event);
      void gone.iterator.return?.();
      void stays.next();
      return event;
    });
    publish(bus, 2);
    expect([isReleased, await stays.next()]).toEqual([true, 2]);
  });

  test.each([0, 2 ** 24 + 1, Number.MAX_SAFE_INTEGER])('a capacity of %d is refused', (capacity) => {
    expect(thrownBy(() => createLifecycleBus({ capacity }))).toMatchObject({ _tag: 'InvalidRequest' });
  });

  test('a send from within a wake-up, or from within a teardown, is told in its order', () => {
    const bus = createLifecycleBus();
    const { heard } = hear(bus);
    bus
      .events('app')
      .pipe(
        take(1),
        finalize(() => {
          publish(bus, 2);
        }),
      )
      .subscribe();
    const last = hear(bus);
    publish(bus, 1);
    expect([heard, last.heard]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});

describe('Effect PubSub', () => {
  const sequences = [1, 2, 3, 4, 5, 6, 7, 8, 9];

  test.each([1, 2, 3, 4])(
    'with capacity %i the order is kept, with one reader and with two',
    async (capacity) => {
      const bus = createLifecycleBus({ capacity });
      const readers = [reader(bus), reader(bus)];
      const read: unknown[][] = [[], []];
      for (const sequence of sequences) {
        publish(bus, sequence);
        for (const [index, { next }] of readers.entries()) read[index]?.push(await next());
      }
      expect(read).toEqual([sequences, sequences]);
    },
  );

  test('nothing is kept when nobody subscribes', () => {
    const bus = createLifecycleBus({ capacity: 2 });
    publish(bus, 1, 2, 3);
    expect(bus.stats()['app']).toBeUndefined();
    void reader(bus);
    expect(bus.stats()['app']).toMatchObject({ maxQueueDepth: 0, highWater: 0 });
  });

  test('nothing is replayed to who comes later, yet: it reads on from where it came', async () => {
    const bus = createLifecycleBus();
    publish(bus, 1, 2, 3, 4, 5);
    const { read } = reader(bus);
    publish(bus, 6);
    expect(await read(1)).toEqual([6]);
  });

  test.each(['dropNewest', 'dropOldest'] as const)(
    'with %s each subscriber is alone here: one that never reads takes nothing from one that does',
    async (overflow) => {
      const bus = createLifecycleBus({ capacity: 2 });
      const slow = reader(bus, { overflow });
      const fast = reader(bus, { overflow });
      const read: unknown[] = [];
      for (const sequence of [1, 2, 3, 4, 5, 6]) {
        publish(bus, sequence);
        read.push(await fast.next());
      }
      expect(read).toEqual([1, 2, 3, 4, 5, 6]);
      bus.close();
      expect(await slow.read(3)).toEqual(
        overflow === 'dropNewest' ? [1, 2, 'lagged 4', 'closed'] : ['lagged 4', 5, 6, 'closed'],
      );
    },
  );

  test('a publish never waits here: no policy suspends the publisher', () => {
    const bus = createLifecycleBus({ capacity: 1 });
    for (const overflow of ['dropNewest', 'dropOldest', 'latest', 'fail'] as const)
      void reader(bus, { overflow });
    const { heard } = hear(bus);
    publish(bus, ...sequences);
    expect(heard).toEqual(sequences);
  });

  test('with capacity 1 and two subscribers each has the last, and the leave of one does not free the other’s', async () => {
    const bus = createLifecycleBus({ capacity: 1 });
    const first = reader(bus);
    const second = reader(bus);
    publish(bus, 1, 2);
    expect(await first.read(1)).toEqual(['lagged 1', 2]);
    await first.iterator.return?.();
    expect(await second.read(1)).toEqual(['lagged 1', 2]);
  });

  test('the close ends all reads that wait, and what is published after it is told to nobody', async () => {
    const bus = createLifecycleBus();
    const { next } = reader(bus);
    const reads = [next(), next()];
    bus.close();
    publish(bus, 1);
    expect(await Promise.all([...reads, next()])).toEqual(['closed', 'closed', 'closed']);
  });

  test('a reader that went while it waited takes no value with it', async () => {
    const bus = createLifecycleBus();
    const gone = reader(bus);
    const waiting = gone.next();
    await gone.iterator.return?.();
    expect(await waiting).toBe('closed');
    const { read } = reader(bus);
    publish(bus, 42);
    expect(await read(1)).toEqual([42]);
  });
});

const hypemans = ['wait_for_state', 'auto_standby', 'restart_policy', 'health_check', 'expiration', 'http'];

describe('hypeman lifecycle events', () => {
  test('a notification brings action and instance to a subscriber', async () => {
    const bus = createLifecycleBus();
    const iterator = bus.iterate('wait_for_state')[Symbol.asyncIterator]();
    bus.publish(anUpdate(1, { id: 'vm', state: 'Stopped' }));
    expect(await iterator.next()).toMatchObject({
      value: { action: 'update', instanceId: 'vm', instance: { state: 'Stopped' } },
    });
  });

  test('subscribers of two consumers both get the event; after its unsubscribe a stream is at its end', async () => {
    const bus = createLifecycleBus();
    const wait = reader(bus, {}, 'wait_for_state');
    const auto = reader(bus, {}, 'auto_standby');
    publish(bus, 1);
    expect([await wait.next(), await auto.next()]).toEqual([1, 1]);
    await wait.iterator.return?.();
    expect(await wait.next()).toBe('closed');
  });

  test('after three notifications and one read each consumer has its subscribers and its deepest queue', async () => {
    const bus = createLifecycleBus({ consumers: hypemans });
    const waits = [reader(bus, {}, 'wait_for_state'), reader(bus, {}, 'wait_for_state')];
    void reader(bus, {}, 'auto_standby');
    publish(bus, 1, 2, 3);
    for (const { next } of waits) await next();
    expect(bus.stats()).toMatchObject({
      wait_for_state: { subscribers: 2, maxQueueDepth: 2 },
      auto_standby: { subscribers: 1, maxQueueDepth: 3 },
      http: { subscribers: 0, maxQueueDepth: 0 },
    });
  });

  test('one notification more than the buffer holds is one drop, of the right consumer', () => {
    const bus = createLifecycleBus({ consumers: hypemans });
    void reader(bus, { overflow: 'dropNewest' }, 'wait_for_state');
    for (let sequence = 1; sequence <= 256; sequence += 1) publish(bus, sequence);
    const dropped = (): unknown => {
      const { wait_for_state: wait, auto_standby: auto } = bus.stats();
      return [wait?.dropped.buffer_full, auto?.dropped.buffer_full];
    };
    expect(dropped()).toEqual([0, 0]);
    publish(bus, 257);
    expect(dropped()).toEqual([1, 0]);
  });

  test('the statistics have every known consumer: one read of three, then a buffer full more', async () => {
    const bus = createLifecycleBus({ consumers: hypemans });
    const wait = reader(bus, { overflow: 'dropNewest' }, 'wait_for_state');
    void reader(bus, { overflow: 'dropNewest' }, 'auto_standby');
    publish(bus, 1, 2, 3);
    await wait.next();
    for (let sequence = 4; sequence < 260; sequence += 1) publish(bus, sequence);
    const rows = Object.entries(bus.stats()).map(
      ([name, { subscribers, maxQueueDepth, dropped }]) =>
        `${name} ${String(subscribers)} ${String(maxQueueDepth)} ${String(dropped.buffer_full)}`,
    );
    expect(rows).toEqual([
      'wait_for_state 1 256 2',
      'auto_standby 1 256 3',
      'restart_policy 0 0 0',
      'health_check 0 0 0',
      'expiration 0 0 0',
      'http 0 0 0',
    ]);
  });
});

describe('the Broadcaster of Kubernetes', () => {
  test('capacity 1, two watchers, two events: each gets only the first, and here learns of the second', async () => {
    const bus = createLifecycleBus({ capacity: 1 });
    const watchers = [reader(bus, { overflow: 'dropNewest' }), reader(bus, { overflow: 'dropNewest' })];
    publish(bus, 1, 2);
    bus.close();
    for (const { read } of watchers) expect(await read(2)).toEqual([1, 'lagged 1', 'closed']);
  });

  test('a watcher may be stopped twice, and another from within a delivery', async () => {
    const bus = createLifecycleBus();
    const other = reader(bus);
    const plain = bus.events('app').subscribe(() => {
      void other.iterator.return?.();
      plain.unsubscribe();
      plain.unsubscribe();
    });
    publish(bus, 1);
    publish(bus, 2);
    expect([await other.next(), bus.stats()['app']]).toMatchObject(['closed', { subscribers: 0 }]);
    expect(await other.iterator.return?.()).toEqual({ done: true, value: undefined });
  });

  test('what is queued is delivered after the shutdown; watch and publish after it fail nobody here', async () => {
    const bus = createLifecycleBus();
    const { read } = reader(bus);
    publish(bus, 1, 2);
    bus.close();
    publish(bus, 3);
    expect([await read(3), await reader(bus).read(1)]).toEqual([[1, 2, 'closed'], ['closed']]);
  });
});

describe('Reactive Streams, on the side that pulls', () => {
  test('1.1, 1.3: no more comes than was asked for, and one after another', async () => {
    const bus = createLifecycleBus();
    const { next } = reader(bus);
    const asked = [next(), next()];
    publish(bus, 1, 2, 3);
    expect([await Promise.all(asked), depthOf(bus)]).toEqual([[1, 2], 1]);
  });

  test('1.6, 1.7: after the end nothing comes', async () => {
    const bus = createLifecycleBus();
    const { next } = reader(bus);
    bus.close();
    publish(bus, 1);
    expect([await next(), await next()]).toEqual(['closed', 'closed']);
  });

  test('1.8, 3.5, 3.6, 3.7: a cancel stops it, may be repeated, and a request after it brings nothing', async () => {
    const bus = createLifecycleBus();
    const { iterator, next } = reader(bus);
    publish(bus, 1);
    for (let count = 0; count < 2; count += 1) {
      expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    }
    publish(bus, 2);
    expect([await next(), bus.stats()['app']?.subscribers]).toEqual(['closed', 0]);
  });

  test('1.9: a subscribe never throws, whoever closed the bus', () => {
    const bus = createLifecycleBus();
    const events$ = bus.events('app');
    const events = bus.iterate('app');
    bus.close();
    expect(() => {
      events$.subscribe();
      void events[Symbol.asyncIterator]();
    }).not.toThrow();
  });

  test('2.13: a subscriber that throws counts as one that has left', () => {
    const bus = createLifecycleBus({ onThrow: () => undefined });
    bus.events('app').subscribe(() => {
      throw new Error('of the subscriber');
    });
    publish(bus, 1, 2);
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0, thrown: 1 });
  });

  test('3.2, 3.3: who asks on being told is served, and the stack does not grow', async () => {
    const bus = createLifecycleBus({ capacity: 10_000 });
    const { next } = reader(bus);
    for (let sequence = 1; sequence <= 10_000; sequence += 1) publish(bus, sequence);
    const readOn = (value: number | 'closed'): Promise<number | 'closed'> | 'closed' =>
      value === 10_000 ? 'closed' : next().then(readOn);
    expect(await next().then(readOn)).toBe('closed');
  });

  test('3.13: after a cancel no reference to the subscriber is kept', async () => {
    const bus = createLifecycleBus();
    const isReleased = await released(() => {
      const { iterator } = reader(bus);
      void iterator.return?.();
      return iterator;
    });
    publish(bus, 1);
    expect(isReleased).toBe(true);
  });
});

describe('the Subject of RxJS', () => {
  test('and the bus tell the same to subscribers that come and go at other times', () => {
    const bus = createLifecycleBus();
    const subject$ = new Subject<LifecycleEvent>();
    const runs = [bus.events('app'), subject$].map((stream$) => ({ stream$, heard: [] as string[] }));
    const come = (who: string) =>
      runs.map(({ stream$, heard }) =>
        stream$.subscribe({
          next: ({ sequence }) => heard.push(`${who} ${String(sequence)}`),
          complete: () => heard.push(`${who} end`),
        }),
      );
    const send = (sequence: number): void => {
      publish(bus, sequence);
      subject$.next(anUpdate(sequence));
    };
    send(1);
    const first = come('first');
    send(2);
    come('second');
    send(3);
    for (const subscription of first) subscription.unsubscribe();
    send(4);
    bus.close();
    subject$.complete();
    send(5);
    come('third');
    expect(runs[0]?.heard).toEqual(runs[1]?.heard);
    expect(runs[0]?.heard).toEqual(['first 2', 'first 3', 'second 3', 'second 4', 'second end', 'third end']);
  });

  test('inverts the order for later subscribers when one emits meanwhile; the bus does not', () => {
    const subject$ = new Subject<LifecycleEvent>();
    const ofSubject: number[] = [];
    subject$.subscribe(({ sequence }) => {
      if (sequence < 3) subject$.next(anUpdate(sequence + 1));
    });
    subject$.subscribe(({ sequence }) => ofSubject.push(sequence));
    subject$.next(anUpdate(1));
    const bus = createLifecycleBus();
    bus.events('app').subscribe(({ sequence }) => {
      if (sequence < 3) publish(bus, sequence + 1);
    });
    const { heard } = hear(bus);
    publish(bus, 1);
    expect([ofSubject, heard]).toEqual([
      [3, 2, 1],
      [1, 2, 3],
    ]);
  });

  test('loses later subscribers the value at which one completes it; the bus does not', () => {
    const subject$ = new Subject<LifecycleEvent>();
    const ofSubject: number[] = [];
    subject$.subscribe(() => {
      subject$.complete();
    });
    subject$.subscribe(({ sequence }) => ofSubject.push(sequence));
    subject$.next(anUpdate(1));
    const bus = createLifecycleBus();
    bus.events('app').subscribe(() => {
      bus.close();
    });
    const { heard } = hear(bus);
    publish(bus, 1);
    expect([ofSubject, heard]).toEqual([[], [1, 'end']]);
  });

  test('throws at its source what a bare Subscriber throws, and skips the rest; the bus does not', () => {
    const failing = (): Subscriber<LifecycleEvent> => {
      const fail = (): never => {
        throw new Error('of the subscriber');
      };
      return new Subscriber({ next: fail, error: fail, complete: fail });
    };
    const subject$ = new Subject<LifecycleEvent>();
    const ofSubject: number[] = [];
    subject$.subscribe(failing());
    subject$.subscribe(({ sequence }) => ofSubject.push(sequence));
    expect(() => {
      subject$.next(anUpdate(1));
    }).toThrow('of the subscriber');
    const bus = createLifecycleBus({ onThrow: () => undefined });
    bus.events('app').subscribe(failing());
    const { heard } = hear(bus);
    publish(bus, 1);
    expect([ofSubject, heard]).toEqual([[], [1]]);
  });
});
