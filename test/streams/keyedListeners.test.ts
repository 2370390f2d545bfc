import * as fc from 'fast-check';
import { KeyedListeners } from '../../src/streams/keyedListeners.js';
import type { Listener } from '../../src/streams/listeners.js';
import { released } from '../support/released.js';

/** Notes what it hears, and does something on it. */
const noting = (heard: string[], name: string, onHear: (value: string) => void = () => undefined) => ({
  next: (value: string): void => {
    heard.push(`${name} hears ${value}`);
    onHear(value);
  },
  complete: (): void => {
    heard.push(`${name} ends`);
  },
});

describe('keyed listeners', () => {
  test('hears everything, or what has one key', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    listeners.add(noting(heard, 'one'), 'a');
    listeners.add(noting(heard, 'all'));
    listeners.add(noting(heard, 'other'), 'b');
    listeners.emit('x', 'a');
    listeners.emit('y', 'b');
    listeners.emit('z', 'c');
    expect(heard).toEqual(['all hears x', 'one hears x', 'all hears y', 'other hears y', 'all hears z']);
  });

  test('has a key that is nothing, apart from no key', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    listeners.add(noting(heard, 'one'), '');
    listeners.emit('x', 'a');
    listeners.emit('y', '');
    expect(heard).toEqual(['one hears y']);
  });

  test('hears the end, whoever listens to what', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    listeners.add(noting(heard, 'one'), 'a');
    listeners.add(noting(heard, 'other'), 'b');
    listeners.add(noting(heard, 'all'));
    listeners.complete();
    listeners.emit('x', 'a');
    expect(heard).toEqual(['all ends', 'one ends', 'other ends']);
  });

  test('is left by who never joined, and twice, without harm to the others', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    const one = noting(heard, 'one');
    listeners.remove(one);
    listeners.remove(one, 'a');
    listeners.add(noting(heard, 'other'), 'a');
    listeners.add(one, 'a');
    listeners.remove(one);
    listeners.remove(one, 'b');
    listeners.remove(one, 'a');
    listeners.remove(one, 'a');
    listeners.emit('x', 'a');
    expect(heard).toEqual(['other hears x']);
  });
});

describe('who comes while a value is told', () => {
  test.each([
    ['to all', undefined],
    ['to its key', 'a'],
    ['to another key', 'b'],
  ])('%s hears the next one', (_, key) => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    const bring =
      (guest: string) =>
      (value: string): void => {
        if (value === 'x') listeners.add(noting(heard, guest), key);
      };
    listeners.add(noting(heard, 'all', bring('first guest')));
    listeners.add(noting(heard, 'one', bring('second guest')), 'a');
    listeners.emit('x', 'a');
    expect(heard).toEqual(['all hears x', 'one hears x']);
    listeners.emit('y', key ?? 'a');
    expect(heard.filter((line) => line.includes('guest'))).toEqual([
      'first guest hears y',
      'second guest hears y',
    ]);
  });

  test('to its key, of which nobody heard before, hears the next one', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    const first: Listener<string> = noting(heard, 'all', () => {
      listeners.remove(first);
      listeners.add(noting(heard, 'one'), 'a');
    });
    listeners.add(first);
    listeners.emit('x', 'a');
    listeners.emit('y', 'a');
    expect(heard).toEqual(['all hears x', 'one hears y']);
  });

  test('in the place of the last who left, hears the next one', () => {
    const listeners = new KeyedListeners<string>();
    const heard: string[] = [];
    const one = noting(heard, 'one');
    listeners.add(
      noting(heard, 'all', (value) => {
        if (value !== 'x') return;
        listeners.remove(one, 'a');
        listeners.add(noting(heard, 'two'), 'a');
      }),
    );
    listeners.add(one, 'a');
    listeners.emit('x', 'a');
    listeners.emit('y', 'a');
    expect(heard).toEqual(['all hears x', 'all hears y', 'two hears y']);
  });
});

test('whoever comes and goes, each hears what was told while it was there, in order', () => {
  const keys = [undefined, 'a', 'b', 'c'];
  const step = fc.record({ who: fc.nat(15), tell: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 2 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const listeners = new KeyedListeners<string>();
      const heard: string[] = [];
      const described: string[] = [];
      const all = Array.from({ length: 16 }, (_, who) => noting(heard, String(who)));
      let inside: readonly number[] = [];
      steps.forEach(({ who, tell }, value) => {
        const key = keys[who % keys.length];
        if (tell !== null) {
          listeners.emit(String(value), tell);
          const [toAll, toOne] = [undefined, tell].map((wanted) =>
            inside.filter((one) => keys[one % keys.length] === wanted),
          );
          for (const one of [...(toAll ?? []), ...(toOne ?? [])]) {
            described.push(`${String(one)} hears ${String(value)}`);
          }
        } else if (inside.includes(who)) {
          listeners.remove(all[who] as Listener<string>, key);
          inside = inside.filter((one) => one !== who);
        } else {
          listeners.add(all[who] as Listener<string>, key);
          inside = [...inside, who];
        }
      });
      expect(heard).toEqual(described);
    }),
    { numRuns: 500 },
  );
});

test('nothing is held on to of a value that was told, and of who has left', async () => {
  const listeners = new KeyedListeners<object>();
  const create = (): Listener<object> => ({ next: () => undefined, complete: () => undefined });
  const key = 'a';
  listeners.add(create(), key);
  const isReleased = await Promise.all([
    released(() => {
      const value = {};
      listeners.emit(value, key);
      return value;
    }),
    released(() => {
      const listener = create();
      listeners.add(listener, key);
      listeners.remove(listener, key);
      return listener;
    }),
  ]);
  listeners.emit({}, key);
  expect(isReleased).toEqual([true, true]);
});
