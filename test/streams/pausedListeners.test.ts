import * as fc from 'fast-check';
import { Subscriber } from 'rxjs';
import { type Listener, Listeners } from '../../src/streams/listeners.js';
import { PausedListeners } from '../../src/streams/pausedListeners.js';
import { released } from '../support/released.js';

/** Listeners that can be paused, and what is published to them. */
const stage = <T>() => {
  const paused = new PausedListeners<T>();
  const listeners = new Listeners<T>();
  const listen = (listener: Listener<T>): (() => void) => {
    listeners.add(listener);
    return () => {
      listeners.remove(listener);
    };
  };
  return {
    paused,
    listeners,
    publish: (...values: readonly T[]): void => {
      for (const value of values) {
        paused.count(value);
        listeners.hold();
        listeners.emit(value);
      }
    },
    enter: () => {
      const heard: (T | 'end')[] = [];
      const booked: number[] = [];
      const subscription = new Subscriber<T>({
        next: (value: T) => heard.push(value),
        error: () => undefined,
        complete: () => heard.push('end'),
      });
      const feed = paused.feed(subscription, listen, (count) => booked.push(count));
      feed.start();
      return { heard, feed, subscription, missed: () => booked.reduce((sum, count) => sum + count, 0) };
    },
  };
};

describe('a listener', () => {
  test('hears every value from its start on', () => {
    const { publish, enter } = stage<number>();
    publish(1);
    const { heard, missed } = enter();
    publish(2, 3);
    expect([heard, missed()]).toEqual([[2, 3], 0]);
  });

  test('that is paused hears nothing, and all is counted', () => {
    const { paused, publish, enter } = stage<number>();
    const { heard, feed, missed } = enter();
    publish(1);
    feed.pause();
    publish(2, 3);
    expect([heard, missed()]).toEqual([[1], 0]);
    paused.report();
    expect(missed()).toBe(2);
    paused.report();
    publish(4);
    paused.report();
    expect([heard, missed()]).toEqual([[1], 3]);
  });

  test('that resumes learns what it missed, and hears the next value', () => {
    const { publish, enter } = stage<number>();
    const { heard, feed, missed } = enter();
    feed.pause();
    publish(1, 2, 3);
    expect(feed.resume()).toEqual({ missed: 3, to: 3 });
    publish(4);
    expect([heard, missed()]).toEqual([[4], 3]);
  });

  test('that resumes after a report learns all that it missed, which is counted once', () => {
    const { paused, publish, enter } = stage<number>();
    const { feed, missed } = enter();
    feed.pause();
    publish(1, 2);
    paused.report();
    expect(feed.resume()).toEqual({ missed: 2, to: 2 });
    feed.pause();
    publish(3);
    paused.report();
    publish(4);
    expect([feed.resume(), missed()]).toEqual([{ missed: 2, to: 4 }, 4]);
  });

  test('that resumes before anything was published has missed nothing', () => {
    const { paused, publish, enter } = stage<number>();
    const { heard, feed, missed } = enter();
    publish(1);
    feed.pause();
    paused.report();
    expect(feed.resume()).toBeUndefined();
    feed.pause();
    publish(2);
    expect(feed.resume()).toEqual({ missed: 1, to: 2 });
    feed.pause();
    expect([feed.resume(), missed(), heard]).toEqual([undefined, 1, [1]]);
  });

  test('that is paused is in no list, so that a full queue costs a publisher nothing', () => {
    const { listeners, enter } = stage<number>();
    const all = Array.from({ length: 1_000 }, enter);
    for (const { feed } of all) feed.pause();
    expect(listeners.isEmpty).toBe(true);
    for (const { feed } of all) feed.resume();
    for (const { subscription } of all) subscription.unsubscribe();
    expect(listeners.isEmpty).toBe(true);
  });

  test.each([
    ['pause', 'first'],
    ['resume', 'second'],
  ])('misses and hears what it did when another one unsubscribes: %s', (_, who) => {
    const { publish, enter } = stage<number>();
    const first = enter();
    const second = enter();
    first.feed.pause();
    publish(1);
    second.feed.pause();
    publish(2);
    const [left, other] = who === 'first' ? [first, second] : [second, first];
    left.subscription.unsubscribe();
    publish(3);
    const expected = who === 'first' ? { missed: 2, to: 3 } : { missed: 3, to: 3 };
    expect(other.feed.resume()).toEqual(expected);
    expect([first.missed(), second.missed()]).toEqual(who === 'first' ? [2, 2] : [3, 1]);
  });
});

describe('the end', () => {
  test('reaches those that are paused, once', () => {
    const { paused, publish, enter } = stage<number>();
    const { heard, feed, missed } = enter();
    feed.pause();
    publish(1);
    paused.complete();
    paused.complete();
    expect([heard, missed()]).toEqual([['end'], 1]);
    expect(feed.resume()).toEqual({ missed: 1, to: 1 });
    publish(2);
    expect([heard, missed()]).toEqual([['end'], 1]);
  });

  test('does not reach one that another unsubscribes or resumes on it', () => {
    const { paused, listeners, enter } = stage<number>();
    const first = enter();
    const [left, resumed] = [enter(), enter()];
    for (const { feed } of [first, left, resumed]) feed.pause();
    first.subscription.add(() => {
      left.subscription.unsubscribe();
      resumed.feed.resume();
    });
    paused.complete();
    expect([first.heard, left.heard, resumed.heard]).toEqual([['end'], [], []]);
    // The one that resumed is in the list again.
    listeners.complete();
    expect([left.heard, resumed.heard]).toEqual([[], ['end']]);
  });
});

describe('one that unsubscribes', () => {
  test('has missed what was published until then', () => {
    const { paused, publish, enter } = stage<number>();
    const { feed, subscription, missed } = enter();
    feed.pause();
    publish(1, 2);
    subscription.unsubscribe();
    expect(missed()).toBe(2);
    publish(3);
    paused.report();
    expect([feed.resume(), missed()]).toEqual([{ missed: 2, to: 2 }, 2]);
  });

  test('hears nothing any more when it is resumed', () => {
    const { listeners, publish, enter } = stage<number>();
    const { heard, feed, subscription } = enter();
    feed.pause();
    subscription.unsubscribe();
    feed.resume();
    publish(1);
    expect([heard, listeners.isEmpty]).toEqual([[], true]);
  });

  test.each([
    ['live', () => undefined],
    [
      'paused',
      ({ pause }: { pause: () => void }) => {
        pause();
      },
    ],
  ])('and is %s is held on to by nobody', async (_, act) => {
    const { paused, publish, enter } = stage<object>();
    const isReleased = await released(() => {
      const { feed, subscription } = enter();
      act(feed);
      publish({});
      subscription.unsubscribe();
      return subscription;
    });
    publish({});
    paused.complete();
    expect(isReleased).toBe(true);
  });
});

describe('a value that was published is held on to by nobody', () => {
  const isReleased = (
    before: (entered: ReturnType<ReturnType<typeof stage<object>>['enter']>) => void,
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

  test('while nobody is paused', async () => {
    expect(
      await isReleased(
        () => undefined,
        () => undefined,
      ),
    ).toBe(true);
  });

  test('once the listener has resumed, also one that has unsubscribed', async () => {
    const pause = ({ feed }: { readonly feed: { pause(): void } }): void => {
      feed.pause();
    };
    expect(
      await isReleased(pause, ({ feed }) => {
        feed.resume();
      }),
    ).toBe(true);
    expect(
      await isReleased(pause, ({ feed, subscription }) => {
        subscription.unsubscribe();
        feed.resume();
      }),
    ).toBe(true);
  });
});

test('whatever resumes, pauses, comes, goes and is reported, each hears and misses exactly what it has to', () => {
  const step = fc.record({
    kind: fc.constantFrom('publish', 'publish', 'turn', 'turn', 'report', 'come', 'go'),
    who: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { paused, publish, enter } = stage<number>();
      const all: {
        readonly entered: ReturnType<typeof enter>;
        readonly heard: number[];
        isLive: boolean;
        isThere: boolean;
        missed: number[];
        lost: number;
      }[] = [];
      for (const [value, { kind, who }] of steps.entries()) {
        const one = all[who];
        if (kind === 'publish') {
          publish(value);
          for (const each of all.filter(({ isThere }) => isThere)) {
            if (each.isLive) each.heard.push(value);
            else each.missed.push(value);
          }
        } else if (kind === 'report') {
          paused.report();
          for (const { entered, missed, lost } of all) expect(entered.missed()).toBe(lost + missed.length);
        } else if (kind === 'come' && all.length < 8) {
          all.push({ entered: enter(), heard: [], isLive: true, isThere: true, missed: [], lost: 0 });
        } else if (kind === 'go' && one?.isThere === true) {
          one.entered.subscription.unsubscribe();
          one.isThere = false;
        } else if (kind === 'turn' && one?.isThere === true) {
          one.isLive = !one.isLive;
          if (one.isLive) {
            const { missed } = one;
            const told = one.entered.feed.resume();
            expect(told).toEqual(
              missed.length === 0 ? undefined : { missed: missed.length, to: missed.at(-1) },
            );
            one.lost += missed.length;
            one.missed = [];
          } else one.entered.feed.pause();
        }
        for (const { entered, heard } of all) expect(entered.heard).toEqual(heard);
      }
    }),
    { numRuns: 500 },
  );
});
