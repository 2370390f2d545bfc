import * as fc from 'fast-check';
import { EMPTY, Subscriber } from 'rxjs';
import type { Buffering, DropReason, Lag, Overflow } from '../../src/streams/buffering.js';
import { type Feed, unpausable } from '../../src/streams/feed.js';
import { noRecorder, type QueueRecorder } from '../../src/streams/queueRecorder.js';
import { queueSettings } from '../../src/streams/queueSettings.js';
import { RingBuffer } from '../../src/streams/ringBuffer.js';

/** A value that knows its place among all, its key, and whether it ends its key. */
interface Item {
  readonly place: number;
  readonly key: string;
  readonly ends: boolean;
}

const keyed: Buffering<Item> = { keyOf: ({ key }) => key, endsKey: ({ ends }) => ends };

/** Everything that comes out of a queue, in order: what a lag lost, and values. */
type Told<T> = { readonly lost: Lag<T> } | { readonly value: T };

const take = <T>(queue: RingBuffer<T>): readonly Told<T>[] => {
  const lost = queue.takeLag();
  const told: Told<T>[] = lost === undefined ? [] : [{ lost }];
  if (queue.size > 0) told.push({ value: queue.shift() });
  return told;
};

const drain = <T>(queue: RingBuffer<T>): readonly Told<T>[] => {
  const told: Told<T>[] = [];
  for (let next = take(queue); next.length > 0; next = take(queue)) told.push(...next);
  return told;
};

/** `lost 2..4` for values 2 to 4 lost, `5` for the value 5. */
const written = (told: readonly Told<number>[]): readonly string[] =>
  told.map((one) =>
    'value' in one
      ? String(one.value)
      : `lost ${String(one.lost.from)}..${String(one.lost.to)} (${String(one.lost.missed)})`,
  );

const ringOf = <T = number>(
  buffering: Buffering<T>,
  recorder: QueueRecorder = noRecorder,
  feed: Feed<T> = unpausable<T>(EMPTY)(new Subscriber()),
): RingBuffer<T> => new RingBuffer(queueSettings(buffering), recorder, feed);

const pushAll = (queue: RingBuffer<number>, ...values: readonly number[]): boolean =>
  values.every((value) => queue.push(value));

describe('a queue with room', () => {
  test.each<Overflow>(['dropNewest', 'dropOldest', 'latest', 'fail'])('loses nothing with %s', (overflow) => {
    const queue = ringOf({ capacity: 5, overflow });
    expect(pushAll(queue, 1, 2, 3, 4, 5)).toBe(true);
    expect(queue.size).toBe(5);
    expect(written(drain(queue))).toEqual(['1', '2', '3', '4', '5']);
  });

  test('holds what is falsy as it holds the rest', () => {
    const queue = ringOf<unknown>({ capacity: 5 });
    for (const value of [undefined, null, 0, '', false]) queue.push(value);
    expect(drain(queue)).toEqual([
      { value: undefined },
      { value: null },
      { value: 0 },
      { value: '' },
      { value: false },
    ]);
  });

  test('gives nothing of what it was told to forget', () => {
    const queue = ringOf({ capacity: 2, overflow: 'latest' });
    pushAll(queue, 1, 2, 3);
    queue.clear();
    expect([queue.size, queue.takeLag()]).toEqual([0, undefined]);
    pushAll(queue, 4, 5);
    expect(written(drain(queue))).toEqual(['4', '5']);
  });

  test('remembers how many ever waited', () => {
    const queue = ringOf({ capacity: 3 });
    pushAll(queue, 1, 2);
    drain(queue);
    pushAll(queue, 3);
    expect(queue.highWater).toBe(2);
    queue.clear();
    expect(queue.highWater).toBe(2);
  });
});

describe('a full queue', () => {
  test('loses the newcomer with dropNewest', () => {
    const queue = ringOf({ capacity: 2, overflow: 'dropNewest' });
    pushAll(queue, 1, 2, 3, 4);
    expect(written(take(queue))).toEqual(['1']);
    pushAll(queue, 5, 6);
    expect(written(drain(queue))).toEqual(['2', 'lost 3..4 (2)', '5', 'lost 6..6 (1)']);
  });

  test('loses what has waited longest with dropOldest', () => {
    const queue = ringOf({ capacity: 2, overflow: 'dropOldest' });
    pushAll(queue, 1, 2, 3, 4);
    expect(written(take(queue))).toEqual(['lost 1..2 (2)', '3']);
    pushAll(queue, 5, 6);
    expect(written(drain(queue))).toEqual(['lost 4..4 (1)', '5', '6']);
  });

  test('fails with fail, and keeps what waits', () => {
    const queue = ringOf({ capacity: 2, overflow: 'fail' });
    expect(pushAll(queue, 1, 2)).toBe(true);
    expect(queue.push(3)).toBe(false);
    expect(written(drain(queue))).toEqual(['1', '2']);
  });

  const items = (...texts: readonly string[]): readonly Item[] =>
    texts.map((text, place) => ({ place, key: text.charAt(0), ends: text.endsWith('!') }));

  const latest = (capacity: number, ...texts: readonly string[]): readonly string[] => {
    const queue = ringOf<Item>({ ...keyed, capacity, overflow: 'latest' });
    for (const item of items(...texts)) queue.push(item);
    const textOf = ({ place }: Item): string => texts[place] ?? '';
    return drain(queue).map((told) =>
      'value' in told
        ? textOf(told.value)
        : `lost ${textOf(told.lost.from)}..${textOf(told.lost.to)} (${String(told.lost.missed)})`,
    );
  };

  test('loses what was made old first with latest', () => {
    expect(latest(3, 'a1', 'b1', 'a2', 'a3', 'a4')).toEqual([
      'lost a1..a1 (1)',
      'b1',
      'lost a2..a2 (1)',
      'a3',
      'a4',
    ]);
    expect(latest(3, 'a1', 'b1', 'b2', 'a2')).toEqual(['a1', 'lost b1..b1 (1)', 'b2', 'a2']);
  });

  test('makes room for a new key by losing what is old of another, with latest', () => {
    expect(latest(2, 'a1', 'a2', 'b1')).toEqual(['lost a1..a1 (1)', 'a2', 'b1']);
  });

  test('holds the newest of every key, however many, with latest', () => {
    expect(latest(1, 'a1', 'b1', 'c1', 'b2')).toEqual(['a1', 'lost b1..b1 (1)', 'c1', 'b2']);
  });

  test('never loses the end of a key, nor a new beginning after it, with latest', () => {
    expect(latest(1, 'a1', 'a!', 'a2', 'a!', 'a3', 'a4')).toEqual([
      'lost a1..a1 (1)',
      'a!',
      'lost a2..a2 (1)',
      'a!',
      'lost a3..a3 (1)',
      'a4',
    ]);
  });

  test('counts every loss by its reason', () => {
    const losses = (overflow: Overflow): readonly [DropReason, number][] => {
      const counted: [DropReason, number][] = [];
      const dropped = (reason: DropReason, count: number): number => counted.push([reason, count]);
      const queue = ringOf({ capacity: 2, overflow }, { ...noRecorder, dropped });
      pushAll(queue, 1, 2, 3);
      return counted;
    };
    expect(losses('dropNewest')).toEqual([['buffer_full', 1]]);
    expect(losses('dropOldest')).toEqual([['overwritten', 1]]);
    expect(losses('latest')).toEqual([['folded', 1]]);
    expect(losses('fail')).toEqual([['failed', 3]]);
  });

  test('does not count a value that is kept beyond the capacity', () => {
    const dropped = jest.fn();
    const buffering = { capacity: 1, overflow: 'latest', keyOf: (value: number) => value } as const;
    const queue = ringOf(buffering, { ...noRecorder, dropped });
    pushAll(queue, 1, 2);
    expect([queue.size, queue.highWater, dropped.mock.calls]).toEqual([2, 2, []]);
  });
});

describe('the feed of a queue', () => {
  const fed = (overflow: Overflow, missed?: { readonly missed: number; readonly to: number }) => {
    const moved: string[] = [];
    const feed: Feed<number> = {
      start: () => undefined,
      pause: () => moved.push('paused'),
      resume: () => {
        moved.push('resumed');
        return missed;
      },
    };
    return { moved, queue: ringOf({ capacity: 2, overflow }, noRecorder, feed) };
  };

  test('is paused with the first loss of the newest, and resumed as a value is taken', () => {
    const { moved, queue } = fed('dropNewest');
    pushAll(queue, 1, 2);
    expect(moved).toEqual([]);
    pushAll(queue, 3);
    expect(moved).toEqual(['paused']);
    expect([queue.takeLag(), moved]).toEqual([undefined, ['paused']]);
    expect([queue.shift(), moved]).toEqual([1, ['paused', 'resumed']]);
    expect(written(take(queue))).toEqual(['2']);
    expect(moved).toEqual(['paused', 'resumed']);
  });

  test('adds what it missed to what was lost', () => {
    const { queue } = fed('dropNewest', { missed: 4, to: 7 });
    pushAll(queue, 1, 2, 3);
    expect(written(take(queue))).toEqual(['1']);
    pushAll(queue, 8);
    expect(written(drain(queue))).toEqual(['2', 'lost 3..7 (5)', '8']);
  });

  test('is resumed by a queue that is cleared', () => {
    const { moved, queue } = fed('dropNewest', { missed: 4, to: 7 });
    pushAll(queue, 1, 2, 3);
    queue.clear();
    queue.clear();
    expect([moved, queue.takeLag()]).toEqual([['paused', 'resumed'], undefined]);
  });

  test.each<Overflow>(['dropOldest', 'latest', 'fail'])('is never paused with %s', (overflow) => {
    const { moved, queue } = fed(overflow);
    pushAll(queue, 1, 2, 3, 4);
    drain(queue);
    queue.clear();
    expect(moved).toEqual([]);
  });
});

/** The queue as it is described, without a thought for speed: all that was pushed, and what became of it. */
class Described {
  readonly #all: (Item & { fate: 'waits' | 'lost' | 'taken' | 'told' })[] = [];
  highWater = 0;

  constructor(
    readonly capacity: number,
    readonly overflow: Overflow,
  ) {}

  get waiting(): readonly Item[] {
    return this.#all.filter(({ fate }) => fate === 'waits');
  }

  push(item: Item): boolean {
    const full = this.waiting.length >= this.capacity;
    if (full && this.overflow === 'fail') return false;
    this.#all.push({ ...item, fate: full && this.overflow === 'dropNewest' ? 'lost' : 'waits' });
    if (full && this.overflow === 'dropOldest') this.#lose(this.waiting[0]);
    if (full && this.overflow === 'latest') this.#lose(this.#oldFirst());
    this.highWater = Math.max(this.highWater, this.waiting.length);
    return true;
  }

  take(): readonly Told<Item>[] {
    const next = this.#all.findIndex(({ fate }) => fate === 'waits');
    const before = next === -1 ? this.#all : this.#all.slice(0, next);
    const lost = before.filter(({ fate }) => fate === 'lost').map(({ place }) => place);
    for (const entry of before) if (entry.fate === 'lost') entry.fate = 'told';
    const entry = this.#all[next];
    if (entry !== undefined) entry.fate = 'taken';
    const [from] = lost;
    const to = lost.at(-1);
    return [
      ...(from === undefined || to === undefined
        ? []
        : [{ lost: { missed: lost.length, from: this.#item(from), to: this.#item(to) } }]),
      ...(entry === undefined ? [] : [{ value: this.#item(entry.place) }]),
    ];
  }

  /** Of the values that wait and do not end their key, that whose successor of the same key came first. */
  #oldFirst(): Item | undefined {
    const successor = (item: Item): number =>
      this.#all.find(({ place, key }) => place > item.place && key === item.key)?.place ?? Infinity;
    return this.waiting
      .filter((item) => !item.ends && successor(item) < Infinity)
      .sort((one, other) => successor(one) - successor(other))[0];
  }

  #lose(item: Item | undefined): void {
    const entry = this.#all.find(({ place }) => place === item?.place);
    if (entry !== undefined) entry.fate = 'lost';
  }

  #item(place: number): Item {
    const { key, ends } = this.#all[place] as Item;
    return { place, key, ends };
  }
}

type Step = 'take' | Omit<Item, 'place'>;

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.constant('take' as const), weight: 2 },
  {
    arbitrary: fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), ends: fc.boolean() }),
    weight: 3,
  },
);

const lossy = fc.constantFrom<Overflow>('dropNewest', 'dropOldest', 'latest');

describe('whatever is pushed and taken', () => {
  test('the queue does what is described', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom<Overflow>('dropNewest', 'dropOldest', 'latest', 'fail'),
        fc.array(step, { maxLength: 80 }),
        (capacity, overflow, steps) => {
          const queue = ringOf<Item>({ ...keyed, capacity, overflow });
          const described = new Described(capacity, overflow);
          let place = 0;
          for (const one of steps) {
            if (one === 'take') expect(take(queue)).toEqual(described.take());
            else {
              const item = { place, ...one };
              const taken = described.push(item);
              expect(queue.push(item)).toBe(taken);
              if (taken) place += 1;
            }
            expect(queue.size).toBe(described.waiting.length);
          }
          expect(queue.highWater).toBe(described.highWater);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('what is lost and what is given are together all that was pushed, in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), lossy, fc.array(step), (capacity, overflow, steps) => {
        const queue = ringOf<Item>({ ...keyed, capacity, overflow });
        const told: Told<Item>[] = [];
        let place = 0;
        for (const one of steps) {
          if (one === 'take') told.push(...take(queue));
          else queue.push({ place: place++, ...one });
        }
        told.push(...drain(queue));
        let next = 0;
        for (const one of told) {
          const { missed, from, to } =
            'value' in one ? { missed: 1, from: one.value, to: one.value } : one.lost;
          expect([from.place, to.place]).toEqual([next, next + missed - 1]);
          next += missed;
        }
        expect(next).toBe(place);
      }),
    );
  });

  test('no more wait than there is capacity, but for one of each key and all ends, with latest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), lossy, fc.array(step), (capacity, overflow, steps) => {
        const queue = ringOf<Item>({ ...keyed, capacity, overflow });
        const described = new Described(capacity, overflow);
        let place = 0;
        for (const one of steps) {
          if (one === 'take') {
            take(queue);
            described.take();
          } else {
            const item = { place: place++, ...one };
            queue.push(item);
            described.push(item);
          }
          const keys = new Set(described.waiting.map(({ key }) => key)).size;
          const ends = described.waiting.filter((item) => item.ends).length;
          expect(queue.size).toBeLessThanOrEqual(
            overflow === 'latest' ? Math.max(capacity, keys + ends) : capacity,
          );
        }
      }),
    );
  });
});

describe('a user function', () => {
  test('is asked for the key of a value once', () => {
    const keyOf = jest.fn((value: number) => value % 3);
    const queue = ringOf({ capacity: 4, overflow: 'latest', keyOf });
    pushAll(queue, ...Array.from({ length: 20 }, (_, index) => index));
    drain(queue);
    expect(keyOf).toHaveBeenCalledTimes(20);
  });
});

test('a value that stays is still first after a hundred thousand behind it were folded', () => {
  const queue = ringOf({ capacity: 1, overflow: 'latest', keyOf: (value) => value === 0 });
  for (let value = 0; value <= 100_000; value += 1) queue.push(value);
  expect(written(drain(queue))).toEqual(['0', 'lost 1..99999 (99999)', '100000']);
});
