import { type Observable, of, Subject } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Lag, Overflow } from '../../src/streams/buffering.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import type { TableView } from '../../src/streams/tableThenChanges.js';
import { anUpdate } from '../support/lifecycleEvents.js';
import { marbles } from '../support/marbles.js';
import { released } from '../support/released.js';

const publish = (bus: LifecycleBus, from: number, to: number): void => {
  for (let sequence = from; sequence <= to; sequence += 1) bus.publish(anUpdate(sequence));
};

const lagText = ({ missed, from, to }: Lag<LifecycleEvent>): string =>
  `lost ${String(from.sequence)}..${String(to.sequence)} (${String(missed)})`;

/** A consumer with room for one, whose first work waits to be ended. */
const work = (bus: LifecycleBus, consumer = 'app', overflow: Overflow = 'dropNewest') => {
  const told: (number | string)[] = [];
  const first$ = new Subject<never>();
  let begun = 0;
  const subscription = bus
    .consume(consumer, ({ sequence }) => (begun++ === 0 ? first$ : of(sequence)), {
      capacity: 1,
      overflow,
      onLag: (lag) => told.push(lagText(lag)),
    })
    .subscribe({ next: (sequence) => told.push(sequence), complete: () => told.push('end') });
  return {
    told,
    subscription,
    finish: (): void => {
      first$.complete();
    },
  };
};

const lostBy = (bus: LifecycleBus, consumer = 'app'): number | undefined =>
  bus.stats()[consumer]?.dropped.buffer_full;

describe('a queue that is full and loses the newest', () => {
  test('has all that it missed counted at every moment, and told in its place', () => {
    const bus = createLifecycleBus();
    const { told, finish } = work(bus);
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      publish(bus, sequence, sequence);
      expect(lostBy(bus)).toBe(Math.max(0, sequence - 2));
    }
    finish();
    publish(bus, 51, 52);
    expect([told, lostBy(bus)]).toEqual([[2, 'lost 3..50 (48)', 51, 52], 48]);
  });

  test('is counted within a publish too, by whoever looks', () => {
    const bus = createLifecycleBus();
    const seen: unknown[] = [];
    work(bus);
    bus.events('other').subscribe(() => seen.push(lostBy(bus)));
    publish(bus, 1, 5);
    expect(seen).toEqual([0, 0, 1, 2, 3]);
  });

  test('whose room is made within a publish hears from the next event on', () => {
    const bus = createLifecycleBus();
    const { told, finish } = work(bus);
    bus.events('other').subscribe(({ sequence }) => {
      if (sequence === 5) finish();
    });
    publish(bus, 1, 7);
    expect([told, lostBy(bus)]).toEqual([[2, 'lost 3..5 (3)', 6, 7], 3]);
  });

  test('has the events that its own work publishes told after those that were published before', () => {
    const bus = createLifecycleBus();
    const told: unknown[] = [];
    bus
      .consume(
        'app',
        (event) => {
          if (event.sequence === 1) publish(bus, 2, 6);
          return of(event.sequence);
        },
        { capacity: 1, onLag: (lag) => told.push(lagText(lag)) },
      )
      .subscribe((sequence) => told.push(sequence));
    publish(bus, 1, 1);
    publish(bus, 7, 7);
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('loses nothing of its own by another that is full, or leaves', () => {
    const bus = createLifecycleBus();
    const [one, two, three] = [work(bus, 'one'), work(bus, 'two'), work(bus, 'three')];
    publish(bus, 1, 3);
    one.finish();
    two.subscription.unsubscribe();
    publish(bus, 4, 5);
    three.finish();
    publish(bus, 6, 6);
    expect([one.told, two.told, three.told]).toEqual([
      [2, 'lost 3..3 (1)', 4, 5, 6],
      [],
      [2, 'lost 3..5 (3)', 6],
    ]);
    expect(['one', 'two', 'three'].map((name) => lostBy(bus, name))).toEqual([1, 1, 3]);
  });

  test('counts what it missed until it is unsubscribed, and nothing after', () => {
    const bus = createLifecycleBus();
    const { told, subscription } = work(bus);
    publish(bus, 1, 5);
    subscription.unsubscribe();
    publish(bus, 6, 9);
    expect([told, bus.stats()['app']]).toMatchObject([
      [],
      { subscribers: 0, maxQueueDepth: 0, dropped: { buffer_full: 3 } },
    ]);
  });

  test.each<Overflow>(['dropNewest', 'dropOldest', 'latest'])(
    'holds on to no event once it was left, nor to itself: %s',
    async (overflow) => {
      const bus = createLifecycleBus();
      const isReleased = await released(() => {
        const { subscription } = work(bus, 'app', overflow);
        publish(bus, 1, 5);
        subscription.unsubscribe();
        return subscription;
      });
      const isEventReleased = await released(() => {
        const { subscription } = work(bus, 'app', overflow);
        publish(bus, 1, 5);
        const event = anUpdate(6);
        bus.publish(event);
        subscription.unsubscribe();
        return event;
      });
      publish(bus, 7, 7);
      expect([isReleased, isEventReleased]).toEqual([true, true]);
    },
  );

  test.each([3, 6])(
    'holds on to no event that it missed once its reader has left, be it the first or the last: %i',
    async (sequence) => {
      const bus = createLifecycleBus();
      const iterator = bus.iterate('app', { capacity: 2 })[Symbol.asyncIterator]();
      const isReleased = await released(() => {
        const events = Array.from({ length: 6 }, (_, index) => anUpdate(index + 1));
        for (const event of events) bus.publish(event);
        void iterator.return?.();
        return events[sequence - 1] as LifecycleEvent;
      });
      expect([isReleased, await iterator.next(), lostBy(bus)]).toMatchObject([true, { done: true }, 4]);
    },
  );
});

describe('when the bus closes while a queue is full', () => {
  test('what waits is still worked on, the lag is told, then the end', () => {
    const bus = createLifecycleBus();
    const { told, finish } = work(bus);
    publish(bus, 1, 5);
    bus.close();
    expect([told, lostBy(bus)]).toEqual([[], 3]);
    finish();
    expect([told, lostBy(bus)]).toEqual([[2, 'lost 3..5 (3)', 'end'], 3]);
  });

  test('a reader still gets what waits, the lag, then the end', async () => {
    const bus = createLifecycleBus();
    const told: unknown[] = [];
    const events = bus.iterate('app', { capacity: 2, onLag: (lag) => told.push(lagText(lag)) });
    const iterator = events[Symbol.asyncIterator]();
    publish(bus, 1, 5);
    bus.close();
    for (;;) {
      const result = await iterator.next();
      if (result.done === true) break;
      told.push(result.value.sequence);
    }
    expect([told, lostBy(bus)]).toEqual([[1, 2, 'lost 3..5 (3)'], 3]);
  });

  test('within a publish, the events that wait count as missed too', () => {
    const bus = createLifecycleBus();
    const { told, finish } = work(bus);
    bus.events('other').subscribe(({ sequence }) => {
      if (sequence !== 3) return;
      publish(bus, 4, 6);
      bus.close();
      publish(bus, 7, 7);
    });
    publish(bus, 1, 3);
    finish();
    expect([told, lostBy(bus)]).toEqual([[2, 'lost 3..6 (4)', 'end'], 4]);
  });

  test('and one who hears the end makes room, it ends all the same', () => {
    const bus = createLifecycleBus();
    const before = work(bus);
    bus.events('other').subscribe({
      complete: () => {
        before.finish();
        after.finish();
      },
    });
    const after = work(bus);
    publish(bus, 1, 5);
    bus.close();
    const expected = [2, 'lost 3..5 (3)', 'end'];
    expect([before.told, after.told, lostBy(bus)]).toEqual([expected, expected, 6]);
  });
});

test('a watch whose queue was full tells the lag, and the table again', () => {
  marbles(({ flush }) => {
    const bus = createLifecycleBus();
    const told: unknown[] = [];
    let sequence = 0;
    const read = (): Observable<TableView> => of({ epoch: 'e', sequence, instances: [] });
    bus
      .watch('app', read, { capacity: 2, onLag: (lag) => told.push(lagText(lag)) })
      .subscribe((change) => told.push('event' in change ? change.event.sequence : 'all'));
    const publishTo = (to: number): void => {
      publish(bus, sequence + 1, to);
      sequence = to;
      expect(lostBy(bus)).toBe(to <= 9 ? to - 2 : 7 + 10);
    };
    publishTo(9);
    flush();
    expect(told.splice(0)).toEqual(['all', 1, 2, 'lost 3..9 (7)', 'all']);
    publishTo(21);
    flush();
    expect(told).toEqual([10, 11, 'lost 12..21 (10)', 'all']);
    bus.close();
    flush();
  });
});
