import * as fc from 'fast-check';
import { SweptMap, type Entry } from '../../src/streams/sweptMap.js';
import { released } from '../support/released.js';

/** An entry that counts those who need it. */
class Counted implements Entry {
  count = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }
}

const make = (): Counted => new Counted();

/** Makes an entry needed, and tells it. */
const need = (directory: SweptMap<Counted>, key: string): Counted => {
  const entry = directory.fill(key, make);
  entry.count += 1;
  return entry;
};

const release = (directory: SweptMap<Counted>, key: string): void => {
  const entry = directory.get(key) as Counted;
  entry.count -= 1;
  if (entry.isEmpty) directory.emptied();
};

const keysOf = (count: number, prefix = 'key'): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${String(index)}`);

describe('a directory', () => {
  test('makes an entry once, and gives it for as long as it is needed', () => {
    const directory = new SweptMap<Counted>();
    expect(directory.get('a')).toBeUndefined();
    const entry = need(directory, 'a');
    expect(need(directory, 'a')).toBe(entry);
    release(directory, 'a');
    expect([directory.get('a'), directory.get('b')]).toEqual([entry, undefined]);
  });

  test('keeps some that are empty, to be filled again', () => {
    const directory = new SweptMap<Counted>();
    need(directory, 'stays');
    for (const key of keysOf(100)) {
      need(directory, key);
      release(directory, key);
    }
    const entry = need(directory, 'a');
    for (let time = 0; time < 1_000; time += 1) {
      release(directory, 'a');
      expect(directory.get('a')).toBe(entry);
      expect(need(directory, 'a')).toBe(entry);
    }
  });

  test('forgets all at once when nobody needs any of them', () => {
    const directory = new SweptMap<Counted>();
    for (const key of ['a', 'b', 'c']) need(directory, key);
    for (const key of ['a', 'b', 'c']) release(directory, key);
    expect([[...directory.values()], directory.isEmpty]).toEqual([[], true]);
    const entry = need(directory, 'a');
    release(directory, 'a');
    expect(need(directory, 'a')).not.toBe(entry);
  });

  test('never holds more that are empty than are needed, but for a few', () => {
    const directory = new SweptMap<Counted>();
    const lasting = keysOf(100, 'lasting');
    for (const key of lasting) need(directory, key);
    for (const key of keysOf(10_000)) {
      need(directory, key);
      release(directory, key);
      expect([...directory.values()].filter(({ isEmpty }) => isEmpty).length).toBeLessThan(100 + 16);
    }
    for (const key of lasting) expect(directory.get(key)?.isEmpty).toBe(false);
  });
});

test('whatever is needed and released, it gives what a Map would', () => {
  const key = fc.nat(40).map((index) => `key-${String(index)}`);
  fc.assert(
    fc.property(fc.array(fc.record({ key, isNeeded: fc.boolean() }), { maxLength: 400 }), (steps) => {
      const directory = new SweptMap<Counted>();
      const needed = new Map<string, { readonly entry: Counted; count: number }>();
      for (const step of steps) {
        const known = needed.get(step.key);
        if (step.isNeeded) {
          const entry = need(directory, step.key);
          if (known === undefined) needed.set(step.key, { entry, count: 1 });
          else known.count += 1;
          expect(entry).toBe(needed.get(step.key)?.entry);
        } else if (known !== undefined) {
          release(directory, step.key);
          known.count -= 1;
          if (known.count === 0) needed.delete(step.key);
        }
        const filled = [...directory.values()].filter(({ isEmpty }) => !isEmpty);
        expect(new Set(filled)).toEqual(new Set([...needed.values()].map(({ entry }) => entry)));
        expect(filled).toHaveLength(needed.size);
        expect(directory.isEmpty).toBe(needed.size === 0);
        expect([...directory.values()].length - needed.size).toBeLessThan(Math.max(1, needed.size + 16));
        if (needed.size === 0) expect([...directory.values()]).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
});

test('an entry that nobody needs any more is released with the last of all', async () => {
  const directory = new SweptMap<Counted>();
  const isReleased = await released(() => {
    const entry = need(directory, 'a');
    release(directory, 'a');
    return entry;
  });
  need(directory, 'b');
  expect(isReleased).toBe(true);
});
