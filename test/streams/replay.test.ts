import fc from 'fast-check';
import { asapScheduler, asyncScheduler, Subject, take, throwError } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { EventsOptions } from '../../src/streams/eventOptions.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import { anUpdate } from '../support/lifecycleEvents.js';
import { createLoggedBus, numbers, place } from '../support/loggedBus.js';
import { marbles } from '../support/marbles.js';
import { released } from '../support/released.js';
import { thrownBy } from '../support/thrownBy.js';

/** Notes the sequences of what is told, then how it ended. */
function listen(bus: LifecycleBus, options: EventsOptions) {
  const told: unknown[] = [];
  const subscription = bus.events('app', options).subscribe({
    next: ({ sequence }) => told.push(sequence),
    error: (error: unknown) => told.push((error as { _tag?: string })._tag),
    complete: () => told.push('end'),
  });
  return { told, subscription };
}

describe('events after a cursor', () => {
  test('come from the log, then live', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ before: 5 });
      const { told } = listen(bus, { after: place(2) });
      publish(2);
      flush();
      expect(told).toEqual([3, 4, 5, 6, 7]);
      publish();
      expect(told).toEqual([3, 4, 5, 6, 7, 8]);
    });
  });

  test('are told within the call that publishes when there is nothing to catch up with', () => {
    const { bus, publish, reads } = createLoggedBus({ before: 5 });
    const { told } = listen(bus, { after: place(5) });
    publish();
    expect(told).toEqual([6]);
    expect(reads).toEqual([[5, 1_000]]);
    expect(bus.stats()['app']).toMatchObject({ subscribers: 1, resumed: 0 });
  });

  test('begin after any event, and after the beginning', () => {
    marbles(({ flush }) => {
      const { bus, events } = createLoggedBus({ before: 3 });
      const afterOne = listen(bus, { after: events[0] as LifecycleEvent });
      const afterNone = listen(bus, { after: place(0) });
      flush();
      expect(afterOne.told).toEqual([2, 3]);
      expect(afterNone.told).toEqual([1, 2, 3]);
    });
  });

  test('are those of one instance, when one is named', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus();
      publish(2, 'a');
      publish(2, 'b');
      const { told } = listen(bus, { after: place(1), instanceId: 'b' });
      flush();
      publish(1, 'a');
      publish(1, 'b');
      expect(told).toEqual([3, 4, 6]);
    });
  });

  test('are those for which a filter holds', () => {
    marbles(({ flush }) => {
      const { bus, events, publish } = createLoggedBus({ before: 3 });
      const driver = (events[0] as LifecycleEvent).instance?.spec.driver as string;
      const [matching, other] = [driver, 'another'].map((one) =>
        listen(bus, { after: place(1), driver: one }),
      );
      flush();
      publish();
      expect([matching?.told, other?.told]).toEqual([[2, 3, 4], []]);
    });
  });

  test('come in pages of 1,000, each in a turn of its own', () => {
    marbles(({ flush, time }) => {
      const { bus } = createLoggedBus({ before: 2_500 });
      const { told } = listen(bus, { after: place(0) });
      const seen: number[] = [];
      const note = (): void => {
        seen.push(told.length);
        if (seen.length < 5) asyncScheduler.schedule(note, time('-|') - 1);
      };
      note();
      flush();
      expect(seen).toEqual([0, 1_000, 2_000, 2_500, 2_500]);
      expect(told).toEqual(numbers(1, 2_500));
    });
  });

  test('catch up with a publisher that never pauses', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ before: 3_000 });
      const { told } = listen(bus, { after: place(0) });
      let turns = 0;
      let isLive = false;
      const publishOn = (): void => {
        const before = told.length;
        publish(10);
        isLive = told.length === before + 10;
        turns += 1;
        if (turns < 1_000) (turns % 2 === 0 ? asapScheduler : asyncScheduler).schedule(publishOn);
      };
      publishOn();
      flush();
      expect(isLive).toBe(true);
      expect(told).toEqual(numbers(1, 13_000));
      expect(bus.stats()['app']?.resumed).toBe(1);
    });
  });

  test('are told once when they were in the log before their publish', () => {
    marbles(({ flush }) => {
      const { bus, publish, commit } = createLoggedBus({ before: 1 });
      const late = commit();
      const { told } = listen(bus, { after: place(0) });
      flush();
      bus.publish(late);
      publish();
      expect(told).toEqual([1, 2, 3]);
    });
  });

  test('miss nothing that was published while the log was read', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ before: 1, isSlow: true });
      const { told } = listen(bus, { after: place(1) });
      publish(2);
      flush();
      publish();
      expect(told).toEqual([2, 3, 4]);
    });
  });

  test('stop with the subscription, also within a page and before the first', () => {
    marbles(({ flush }) => {
      const { bus, reads, publish } = createLoggedBus({ before: 5_000 });
      const told: number[] = [];
      bus
        .events('app', { after: place(0) })
        .pipe(take(1_500))
        .subscribe(({ sequence }) => told.push(sequence));
      const early = listen(bus, { after: place(0) });
      early.subscription.unsubscribe();
      flush();
      publish();
      expect(told).toEqual(numbers(1, 1_500));
      expect(early.told).toEqual([]);
      expect(reads).toHaveLength(3);
      expect(bus.stats()['app']?.subscribers).toBe(0);
    });
  });

  test.each([
    ['too old', place(1)],
    ['of another epoch', { epoch: 'f', sequence: 4 }],
    ['of an event that is still to come', place(9)],
  ])('fail for a cursor that is %s', (_, after) => {
    const { bus } = createLoggedBus({ before: 5, keeps: 3 });
    expect(listen(bus, { after }).told).toEqual(['CursorExpired']);
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0, thrown: 0 });
  });

  test('fail when the log forgets faster than it is read', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ before: 1_001, keeps: 1_001 });
      const { told } = listen(bus, { after: place(0) });
      publish(1_001);
      flush();
      expect(told.slice(999)).toEqual([1_000, 'CursorExpired']);
    });
  });

  test('end with the bus when all was told, and fail when something was not', () => {
    marbles(({ flush }) => {
      const { bus } = createLoggedBus({ before: 2 });
      const level = listen(bus, { after: place(2) });
      const behind = listen(bus, { after: place(1) });
      bus.close();
      flush();
      const late = listen(bus, { after: place(1) });
      expect([level.told, behind.told, late.told]).toEqual([['end'], ['ManagerClosed'], ['ManagerClosed']]);
      expect(bus.stats()['app']?.subscribers).toBe(0);
    });
  });

  test('fail as the log does', () => {
    const { log } = createLoggedBus();
    const failing = [
      () => throwError(() => ({ _tag: 'Failed' })),
      () => {
        throw new TypeError('thrown');
      },
    ];
    const tags = failing.map((read) => {
      const bus = createLifecycleBus({ log: { ...log, read } });
      return listen(bus, { after: place(0) }).told;
    });
    expect(tags).toEqual([['Failed'], [undefined]]);
  });

  test('are counted once for each time that the log was needed', () => {
    marbles(({ flush }) => {
      const { bus } = createLoggedBus({ before: 2_500 });
      listen(bus, { after: place(0) });
      listen(bus, { after: place(2_499) });
      flush();
      expect(bus.stats()['app']).toMatchObject({ subscribers: 2, resumed: 2 });
    });
  });

  test('read nothing more once they are live, also at the end', () => {
    const { bus, reads } = createLoggedBus({ before: 5 });
    const { told } = listen(bus, { after: place(5) });
    bus.close();
    expect([told, reads]).toEqual([['end'], [[5, 1_000]]]);
  });

  test('leave a read that is under way, and a turn that is to come, with the subscription', () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const { bus, log } = createLoggedBus({ before: 5 });
    const before = timers();
    const waiting = listen(bus, { after: place(0) });
    expect(timers()).toBe(before + 1);
    waiting.subscription.unsubscribe();
    expect(timers()).toBe(before);

    const read$ = new Subject<never>();
    const reading = listen(createLifecycleBus({ log: { ...log, read: () => read$ } }), { after: place(0) });
    expect(read$.observed).toBe(true);
    reading.subscription.unsubscribe();
    expect(read$.observed).toBe(false);
  });

  test('leave a read that is under way with the bus too', () => {
    const { log } = createLoggedBus({ before: 5 });
    const read$ = new Subject<never>();
    const bus = createLifecycleBus({ log: { ...log, read: () => read$ } });
    const { told } = listen(bus, { after: place(0) });
    bus.close();
    expect([told, read$.observed]).toEqual([['ManagerClosed'], false]);
  });

  test.each([
    ['behind', 0],
    ['live', 5],
  ])('of a subscriber that has left while it was %s hold on to nothing', async (_, sequence) => {
    const { bus } = createLoggedBus({ before: 5 });
    listen(bus, { after: place(sequence) }).subscription.unsubscribe();
    const isReleased = await released(() => {
      const event = anUpdate(6);
      bus.publish(event);
      return event;
    });
    bus.close();
    expect(isReleased).toBe(true);
  });

  test('need a log', () => {
    const bus = createLifecycleBus();
    expect(thrownBy(() => bus.events('app', { after: place(0) }))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'after', expected: 'nothing: this bus has no log to read from' }],
    });
  });

  test.each([
    [{ after: 3 }, 'after'],
    [{ after: { epoch: 'e' } }, 'after.sequence'],
    [{ after: { epoch: 1, sequence: 1 } }, 'after.epoch'],
    [{ after: place(-1) }, 'after.sequence'],
    [{ after: place(1.5), instanceId: 'a' }, 'after.sequence'],
  ])('are refused with the path of the fault: %j', (options, path) => {
    const { bus } = createLoggedBus();
    expect(thrownBy(() => bus.events('app', options as EventsOptions))).toMatchObject({ faults: [{ path }] });
  });

  test('are exactly the log from the cursor on, whatever is published, paused and read when', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ publish: fc.integer({ min: 1, max: 1_500 }) }),
        fc.record({ nested: fc.integer({ min: 1, max: 3 }) }),
        fc.constant({ turn: true }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(fc.nat(3_000), fc.nat(3_000), fc.boolean(), steps, (before, from, isSlow, plan) => {
        marbles(({ flush }) => {
          const { bus, publish, events } = createLoggedBus({ before, isSlow });
          const start = Math.min(from, before);
          let nested = 0;
          // Publishes within a publish, ahead of the others.
          bus.events('other').subscribe(() => {
            if (nested > 0) {
              nested -= 1;
              publish();
            }
          });
          const { told } = listen(bus, { after: place(start) });
          const play = (index: number): void => {
            const step = plan[index];
            if (step === undefined) return;
            if ('publish' in step) publish(step.publish);
            if ('nested' in step) {
              nested = step.nested;
              publish();
            }
            if ('turn' in step)
              asyncScheduler.schedule(() => {
                play(index + 1);
              });
            else play(index + 1);
          };
          play(0);
          flush();
          expect(told).toEqual(numbers(start + 1, events.length));
        });
      }),
      { numRuns: 60 },
    );
  });
});
