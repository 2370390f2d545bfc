import fc from 'fast-check';
import { asapScheduler, asyncScheduler, EMPTY, NEVER, of, Subject, timer } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import { createLoggedBus, numbers } from '../support/loggedBus.js';
import { marbles } from '../support/marbles.js';
import { thrownBy } from '../support/thrownBy.js';

type LoggedBus = ReturnType<typeof createLoggedBus>;

const overflow = 'resume';

/** Works on the first event until the gate is opened, on others for no time; notes begun work and the end. */
function gated({ bus }: LoggedBus, capacity = 3) {
  const gate$ = new Subject<number>();
  const begun: unknown[] = [];
  const subscription = bus
    .consume(
      'app',
      ({ sequence }) => {
        begun.push(sequence);
        return sequence === 1 ? gate$ : of(sequence);
      },
      { capacity, overflow },
    )
    .subscribe({
      error: (error: unknown) => begun.push((error as { _tag?: string })._tag),
      complete: () => begun.push('end'),
    });
  const open = (): void => {
    gate$.complete();
  };
  return { begun, open, subscription };
}

/** How many calls are under way. */
function stackDepth(): number {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack.split('\n').length;
}

describe('the policy resume', () => {
  test('hears live while there is room, and reads nothing', () => {
    const logged = createLoggedBus();
    const { begun, open } = gated(logged);
    logged.publish(3);
    open();
    logged.publish();
    expect(begun).toEqual([1, 2, 3, 4]);
    expect(logged.reads).toEqual([]);
    expect(logged.bus.stats()['app']).toMatchObject({ resumed: 0, highWater: 2 });
  });

  test('loses nothing beyond that, keeps the order, and hears live again when it has caught up', () => {
    marbles(({ flush }) => {
      const logged = createLoggedBus();
      const { begun, open } = gated(logged);
      logged.publish(2_000);
      expect(logged.bus.stats()['app']).toMatchObject({ maxQueueDepth: 3, highWater: 3, resumed: 0 });
      open();
      flush();
      expect(begun).toEqual(numbers(1, 2_000));
      const reads = logged.reads.length;
      logged.publish(3);
      expect(begun).toEqual(numbers(1, 2_003));
      expect(logged.reads).toHaveLength(reads);
      expect(logged.bus.stats()['app']).toMatchObject({
        resumed: 1,
        lagged: 0,
        dropped: { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 },
      });
    });
  });

  test('reads the log by pages of its capacity, of 64 at least and 1,000 at most', () => {
    const limits = [1, 100, 5_000].map((capacity) => {
      const logged = createLoggedBus();
      const { open } = gated(logged, capacity);
      logged.publish(6_000);
      open();
      return logged.reads[0];
    });
    expect(limits).toEqual([
      [2, 64],
      [101, 100],
      [5_001, 1_000],
    ]);
  });

  test('works through 1,000 events a turn, whatever its pages', () => {
    marbles(({ flush, time }) => {
      const logged = createLoggedBus();
      const { begun, open } = gated(logged, 500);
      logged.publish(3_501);
      open();
      const seen: number[] = [];
      const note = (): void => {
        seen.push(begun.length);
        if (seen.length < 5) asyncScheduler.schedule(note, time('-|') - 1);
      };
      note();
      flush();
      expect(seen).toEqual([501, 1_501, 2_501, 3_501, 3_501]);
    });
  });

  test('goes through a page in one loop, however often its gate opens and closes', () => {
    marbles(({ flush }) => {
      const logged = createLoggedBus();
      const depths: number[] = [];
      const gate$ = new Subject<never>();
      logged.bus
        .consume(
          'app',
          ({ sequence }) => {
            depths.push(stackDepth());
            return sequence === 1 ? gate$ : EMPTY;
          },
          { capacity: 1, overflow },
        )
        .subscribe();
      logged.publish(500);
      gate$.complete();
      flush();
      expect(depths).toHaveLength(500);
      expect(Math.max(...depths.slice(10))).toBe(Math.min(...depths.slice(10)));
    });
  });

  test('is counted for each time that it fell behind', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus();
      const works = [new Subject<never>(), new Subject<never>()];
      const seen: number[] = [];
      bus
        .consume(
          'app',
          ({ sequence }) => {
            seen.push(sequence);
            return sequence % 100 === 1 ? (works[(sequence - 1) / 100] as Subject<never>) : EMPTY;
          },
          { capacity: 3, overflow },
        )
        .subscribe();
      for (const work$ of works) {
        publish(100);
        work$.complete();
        flush();
      }
      expect(seen).toEqual(numbers(1, 200));
      expect(bus.stats()['app']?.resumed).toBe(2);
    });
  });

  test('was filled to the brim only: hears live again without having resumed', () => {
    const logged = createLoggedBus();
    const { begun, open } = gated(logged);
    logged.publish(4);
    open();
    logged.publish();
    expect(begun).toEqual(numbers(1, 5));
    expect(logged.reads).toHaveLength(1);
    expect(logged.bus.stats()['app']?.resumed).toBe(0);
  });

  test('never lets more wait than its capacity, and never works on more than its concurrency', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus();
      let active = 0;
      let most = 0;
      const seen: number[] = [];
      bus
        .consume(
          'app',
          ({ sequence }) => {
            seen.push(sequence);
            active += 1;
            most = Math.max(most, active);
            return timer(1 + (sequence % 3));
          },
          { capacity: 5, concurrency: 4, overflow },
        )
        .subscribe(() => (active -= 1));
      publish(500);
      flush();
      expect(seen).toEqual(numbers(1, 500));
      expect(most).toBe(4);
      expect(bus.stats()['app']?.highWater).toBe(5);
    });
  });

  test('catches up with a publisher that never pauses', () => {
    marbles(({ flush }) => {
      const logged = createLoggedBus();
      const { begun, open } = gated(logged);
      logged.publish(3_000);
      open();
      let turns = 0;
      const live: boolean[] = [];
      const publishOn = (): void => {
        logged.publish(2);
        live.push(begun.length === logged.events.length);
        turns += 1;
        if (turns < 200) (turns % 2 === 0 ? asapScheduler : asyncScheduler).schedule(publishOn);
      };
      publishOn();
      flush();
      expect(live.at(-1)).toBe(true);
      expect(begun).toEqual(numbers(1, 3_400));
      expect(logged.bus.stats()['app']?.resumed).toBe(1);
    });
  });

  test('fails when the log has lost the place', () => {
    const logged = createLoggedBus({ keeps: 10 });
    const { begun, open } = gated(logged);
    logged.publish(30);
    open();
    expect(begun.at(-1)).toBe('CursorExpired');
    expect(logged.bus.stats()['app']?.subscribers).toBe(0);
  });

  test('stops with its subscription, full or reading', () => {
    marbles(({ flush }) => {
      const logged = createLoggedBus();
      const full = gated(logged);
      logged.publish(3_000);
      full.subscription.unsubscribe();
      full.open();
      const reading = gated(logged);
      logged.publish(1);
      reading.subscription.unsubscribe();
      flush();
      expect(full.begun).toEqual([1]);
      expect(logged.reads).toEqual([]);
      expect(logged.bus.stats()['app']).toMatchObject({ subscribers: 0, maxQueueDepth: 0 });
    });
  });

  test('ends with the bus after what waits when all was read, and fails when something was not', () => {
    const level = createLoggedBus();
    const atEnd = gated(level);
    level.publish(4);
    level.bus.close();
    atEnd.open();
    const behind = createLoggedBus();
    const cutOff = gated(behind);
    behind.publish(5);
    behind.bus.close();
    cutOff.open();
    expect([atEnd.begun, cutOff.begun]).toEqual([
      [1, 2, 3, 4, 'end'],
      [1, 'ManagerClosed'],
    ]);
    expect(gated(level).begun).toEqual(['end']);
  });

  test('is there for readers too', async () => {
    const { bus, publish } = createLoggedBus();
    const reader = bus.iterate('app', { capacity: 2, overflow })[Symbol.asyncIterator]();
    publish(1_500);
    const seen: unknown[] = [];
    for (let read = 0; read < 1_500; read += 1)
      seen.push(((await reader.next()).value as LifecycleEvent).sequence);
    publish();
    seen.push(((await reader.next()).value as LifecycleEvent).sequence);
    expect(seen).toEqual(numbers(1, 1_501));
    expect(bus.stats()['app']).toMatchObject({ highWater: 2, resumed: 1 });
    await reader.return?.();
    expect(bus.stats()['app']?.subscribers).toBe(0);
  });

  test('tells a reader first what waits, then that the place is lost', async () => {
    const { bus, publish } = createLoggedBus({ keeps: 5 });
    const reader = bus.iterate('app', { capacity: 2, overflow })[Symbol.asyncIterator]();
    publish(20);
    expect(await reader.next()).toMatchObject({ value: { sequence: 1 } });
    expect(await reader.next()).toMatchObject({ value: { sequence: 2 } });
    await expect(reader.next()).rejects.toMatchObject({ _tag: 'CursorExpired', cursor: { sequence: 2 } });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  test('needs a log', () => {
    const bus = createLifecycleBus();
    for (const door of [
      () => bus.consume('app', () => NEVER, { overflow }),
      () => bus.iterate('app', { overflow }),
    ]) {
      expect(thrownBy(door)).toMatchObject({ _tag: 'InvalidRequest', faults: [{ path: 'overflow' }] });
    }
  });

  test('gives exactly what is published from subscribe on, in order and once, whatever happens when', () => {
    const plan = fc.array(
      fc.oneof(
        fc.record({ publish: fc.integer({ min: 1, max: 200 }) }),
        fc.record({ pause: fc.integer({ min: 0, max: 30 }) }),
      ),
      { maxLength: 20 },
    );
    const settings = fc.record({
      capacity: fc.integer({ min: 1, max: 100 }),
      concurrency: fc.integer({ min: 1, max: 3 }),
      isSlow: fc.boolean(),
      takes: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
      before: fc.nat(3),
    });
    fc.assert(
      fc.property(plan, settings, (steps, { capacity, concurrency, isSlow, takes, before }) => {
        marbles(({ flush }) => {
          const { bus, publish, events } = createLoggedBus({ before, isSlow });
          const seen: number[] = [];
          bus
            .consume(
              'app',
              ({ sequence }, index) => {
                seen.push(sequence);
                const ms = takes[index % takes.length] ?? 0;
                return ms === 0 ? of(0) : timer(ms);
              },
              { capacity, concurrency, overflow },
            )
            .subscribe();
          const play = (index: number): void => {
            const step = steps[index];
            if (step === undefined) return;
            if ('publish' in step) publish(step.publish);
            asyncScheduler.schedule(
              () => {
                play(index + 1);
              },
              'pause' in step ? step.pause : 0,
            );
          };
          play(0);
          flush();
          expect(seen).toEqual(numbers(before + 1, events.length));
          expect(bus.stats()['app']?.highWater).toBeLessThanOrEqual(capacity);
        });
      }),
      { numRuns: 60 },
    );
  });
});
