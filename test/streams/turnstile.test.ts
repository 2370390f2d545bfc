import * as fc from 'fast-check';
import { type Listener, Listeners } from '../../src/streams/listeners.js';
import { Turnstile } from '../../src/streams/turnstile.js';
import { released } from '../support/released.js';

/** A source behind a turnstile, and who subscribes to it. */
const stage = <T>() => {
  const turnstile = new Turnstile<T>();
  const listeners = new Listeners<T>();
  const join = (listener: Listener<T>): (() => void) => {
    listeners.add(listener);
    return () => {
      listeners.remove(listener);
    };
  };
  return {
    turnstile,
    listeners,
    publish: (...values: readonly T[]): void => {
      for (const value of values) {
        turnstile.pass(value);
        listeners.hold();
        listeners.tell(value);
      }
    },
    enter: () => {
      const heard: (T | 'end')[] = [];
      const booked: number[] = [];
      const { values$, gate } = turnstile.gated(join, (count) => booked.push(count));
      const subscription = values$.subscribe({
        next: (value) => heard.push(value),
        complete: () => heard.push('end'),
      });
      return { heard, gate, subscription, missed: () => booked.reduce((sum, count) => sum + count, 0) };
    },
  };
};

describe('behind a gate', () => {
  test('that is open, every value is heard from the subscribe on', () => {
    const { publish, enter } = stage<number>();
    publish(1);
    const { heard, missed } = enter();
    publish(2, 3);
    expect([heard, missed()]).toEqual([[2, 3], 0]);
  });

  test('that is closed, nothing is heard, and all is counted', () => {
    const { turnstile, publish, enter } = stage<number>();
    const { heard, gate, missed } = enter();
    publish(1);
    gate.close();
    publish(2, 3);
    expect([heard, missed()]).toEqual([[1], 0]);
    turnstile.settle();
    expect(missed()).toBe(2);
    turnstile.settle();
    publish(4);
    turnstile.settle();
    expect([heard, missed()]).toEqual([[1], 3]);
  });

  test('that opens, what was missed is told, and the next value heard', () => {
    const { publish, enter } = stage<number>();
    const { heard, gate, missed } = enter();
    gate.close();
    publish(1, 2, 3);
    expect(gate.open()).toEqual({ missed: 3, to: 3 });
    publish(4);
    expect([heard, missed()]).toEqual([[4], 3]);
  });

  test('that opens after it was settled, all that was missed is told, and counted once', () => {
    const { turnstile, publish, enter } = stage<number>();
    const { gate, missed } = enter();
    gate.close();
    publish(1, 2);
    turnstile.settle();
    expect(gate.open()).toEqual({ missed: 2, to: 2 });
    gate.close();
    publish(3);
    turnstile.settle();
    publish(4);
    expect([gate.open(), missed()]).toEqual([{ missed: 2, to: 4 }, 4]);
  });

  test('that opens before anything went by, nothing was missed', () => {
    const { turnstile, publish, enter } = stage<number>();
    const { heard, gate, missed } = enter();
    publish(1);
    gate.close();
    turnstile.settle();
    expect(gate.open()).toBeUndefined();
    gate.close();
    publish(2);
    expect(gate.open()).toEqual({ missed: 1, to: 2 });
    gate.close();
    expect([gate.open(), missed(), heard]).toEqual([undefined, 1, [1]]);
  });

  test('nobody is told anything, so that a full queue costs a publisher nothing', () => {
    const { listeners, enter } = stage<number>();
    const all = Array.from({ length: 1_000 }, enter);
    for (const { gate } of all) gate.close();
    expect(listeners.isEmpty).toBe(true);
    for (const { gate } of all) gate.open();
    for (const { subscription } of all) subscription.unsubscribe();
    expect(listeners.isEmpty).toBe(true);
  });

  test.each([
    ['close', 'first'],
    ['open', 'second'],
  ])('others miss and hear what they did, when one is left to %s', (_, who) => {
    const { publish, enter } = stage<number>();
    const first = enter();
    const second = enter();
    first.gate.close();
    publish(1);
    second.gate.close();
    publish(2);
    const [left, other] = who === 'first' ? [first, second] : [second, first];
    left.subscription.unsubscribe();
    publish(3);
    const expected = who === 'first' ? { missed: 2, to: 3 } : { missed: 3, to: 3 };
    expect(other.gate.open()).toEqual(expected);
    expect([first.missed(), second.missed()]).toEqual(who === 'first' ? [2, 2] : [3, 1]);
  });
});

describe('the end', () => {
  test('is told behind closed gates, once', () => {
    const { turnstile, publish, enter } = stage<number>();
    const { heard, gate, missed } = enter();
    gate.close();
    publish(1);
    turnstile.complete();
    turnstile.complete();
    expect([heard, missed()]).toEqual([['end'], 1]);
    expect(gate.open()).toEqual({ missed: 1, to: 1 });
    publish(2);
    expect([heard, missed()]).toEqual([['end'], 1]);
  });

  test('is not told to who is unsubscribed, or whose gate is opened, by one who hears of it', () => {
    const { turnstile, listeners, enter } = stage<number>();
    const first = enter();
    const [left, opened] = [enter(), enter()];
    for (const { gate } of [first, left, opened]) gate.close();
    first.subscription.add(() => {
      left.subscription.unsubscribe();
      opened.gate.open();
    });
    turnstile.complete();
    expect([first.heard, left.heard, opened.heard]).toEqual([['end'], [], []]);
    // Of the one that was opened the listeners know again.
    listeners.complete();
    expect([left.heard, opened.heard]).toEqual([[], ['end']]);
  });
});

describe('who unsubscribes', () => {
  test('has missed what went by until then', () => {
    const { turnstile, publish, enter } = stage<number>();
    const { gate, subscription, missed } = enter();
    gate.close();
    publish(1, 2);
    subscription.unsubscribe();
    expect(missed()).toBe(2);
    publish(3);
    turnstile.settle();
    expect([gate.open(), missed()]).toEqual([{ missed: 2, to: 2 }, 2]);
  });

  test('hears nothing any more when the gate is opened', () => {
    const { listeners, publish, enter } = stage<number>();
    const { heard, gate, subscription } = enter();
    gate.close();
    subscription.unsubscribe();
    gate.open();
    publish(1);
    expect([heard, listeners.isEmpty]).toEqual([[], true]);
  });

  test.each([
    ['open', () => undefined],
    [
      'closed',
      ({ close }: { close: () => void }) => {
        close();
      },
    ],
  ])('behind a gate that is %s is held on to by nobody', async (_, act) => {
    const { turnstile, publish, enter } = stage<object>();
    const isReleased = await released(() => {
      const { gate, subscription } = enter();
      act(gate);
      publish({});
      subscription.unsubscribe();
      return subscription;
    });
    publish({});
    turnstile.complete();
    expect(isReleased).toBe(true);
  });
});

describe('a value that went by is held on to by nobody', () => {
  const isReleased = (
    before: (gate: ReturnType<ReturnType<typeof stage<object>>['enter']>) => void,
    after: typeof before,
  ) => {
    const { publish, enter } = stage<object>();
    const entered = enter();
    before(entered);
    return released(() => {
      const value = {};
      publish(value);
      after(entered);
      entered.heard.length = 0;
      return value;
    }).finally(() => {
      entered.subscription.unsubscribe();
    });
  };

  test('while all gates are open', async () => {
    expect(
      await isReleased(
        () => undefined,
        () => undefined,
      ),
    ).toBe(true);
  });

  test('once the gate is open again, to who has left too', async () => {
    const close = ({ gate }: { readonly gate: { close(): void } }): void => {
      gate.close();
    };
    expect(
      await isReleased(close, ({ gate }) => {
        gate.open();
      }),
    ).toBe(true);
    expect(
      await isReleased(close, ({ gate, subscription }) => {
        subscription.unsubscribe();
        gate.open();
      }),
    ).toBe(true);
  });
});

test('whatever opens, closes, comes, goes and is settled, each hears and misses exactly what it has to', () => {
  const step = fc.record({
    kind: fc.constantFrom('publish', 'publish', 'turn', 'turn', 'settle', 'come', 'go'),
    who: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { turnstile, publish, enter } = stage<number>();
      const all: {
        readonly entered: ReturnType<typeof enter>;
        readonly heard: number[];
        isOpen: boolean;
        isThere: boolean;
        missed: number[];
        lost: number;
      }[] = [];
      for (const [value, { kind, who }] of steps.entries()) {
        const one = all[who];
        if (kind === 'publish') {
          publish(value);
          for (const each of all.filter(({ isThere }) => isThere)) {
            if (each.isOpen) each.heard.push(value);
            else each.missed.push(value);
          }
        } else if (kind === 'settle') {
          turnstile.settle();
          for (const { entered, missed, lost } of all) expect(entered.missed()).toBe(lost + missed.length);
        } else if (kind === 'come' && all.length < 8) {
          all.push({ entered: enter(), heard: [], isOpen: true, isThere: true, missed: [], lost: 0 });
        } else if (kind === 'go' && one?.isThere === true) {
          one.entered.subscription.unsubscribe();
          one.isThere = false;
        } else if (kind === 'turn' && one?.isThere === true) {
          one.isOpen = !one.isOpen;
          if (one.isOpen) {
            const { missed } = one;
            const told = one.entered.gate.open();
            expect(told).toEqual(
              missed.length === 0 ? undefined : { missed: missed.length, to: missed.at(-1) },
            );
            one.lost += missed.length;
            one.missed = [];
          } else one.entered.gate.close();
        }
        for (const { entered, heard } of all) expect(entered.heard).toEqual(heard);
      }
    }),
    { numRuns: 500 },
  );
});
