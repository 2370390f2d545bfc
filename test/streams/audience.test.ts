import * as fc from 'fast-check';
import { Audience } from '../../src/streams/audience.js';
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

describe('an audience', () => {
  test('hears everything, or what has one key', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    audience.join(noting(heard, 'one'), 'a');
    audience.join(noting(heard, 'all'));
    audience.join(noting(heard, 'other'), 'b');
    audience.tell('x', 'a');
    audience.tell('y', 'b');
    audience.tell('z', 'c');
    expect(heard).toEqual(['all hears x', 'one hears x', 'all hears y', 'other hears y', 'all hears z']);
  });

  test('has a key that is nothing, apart from no key', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    audience.join(noting(heard, 'one'), '');
    audience.tell('x', 'a');
    audience.tell('y', '');
    expect(heard).toEqual(['one hears y']);
  });

  test('hears the end, whoever listens to what', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    audience.join(noting(heard, 'one'), 'a');
    audience.join(noting(heard, 'other'), 'b');
    audience.join(noting(heard, 'all'));
    audience.complete();
    audience.tell('x', 'a');
    expect(heard).toEqual(['all ends', 'one ends', 'other ends']);
  });

  test('is left by who never joined, and twice, without harm to the others', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    const one = noting(heard, 'one');
    audience.leave(one);
    audience.leave(one, 'a');
    audience.join(noting(heard, 'other'), 'a');
    audience.join(one, 'a');
    audience.leave(one);
    audience.leave(one, 'b');
    audience.leave(one, 'a');
    audience.leave(one, 'a');
    audience.tell('x', 'a');
    expect(heard).toEqual(['other hears x']);
  });
});

describe('who comes while a value is told', () => {
  test.each([
    ['to all', undefined],
    ['to its key', 'a'],
    ['to another key', 'b'],
  ])('%s hears the next one', (_, key) => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    const bring =
      (guest: string) =>
      (value: string): void => {
        if (value === 'x') audience.join(noting(heard, guest), key);
      };
    audience.join(noting(heard, 'all', bring('first guest')));
    audience.join(noting(heard, 'one', bring('second guest')), 'a');
    audience.tell('x', 'a');
    expect(heard).toEqual(['all hears x', 'one hears x']);
    audience.tell('y', key ?? 'a');
    expect(heard.filter((line) => line.includes('guest'))).toEqual([
      'first guest hears y',
      'second guest hears y',
    ]);
  });

  test('to its key, of which nobody heard before, hears the next one', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    const first: Listener<string> = noting(heard, 'all', () => {
      audience.leave(first);
      audience.join(noting(heard, 'one'), 'a');
    });
    audience.join(first);
    audience.tell('x', 'a');
    audience.tell('y', 'a');
    expect(heard).toEqual(['all hears x', 'one hears y']);
  });

  test('in the place of the last who left, hears the next one', () => {
    const audience = new Audience<string>();
    const heard: string[] = [];
    const one = noting(heard, 'one');
    audience.join(
      noting(heard, 'all', (value) => {
        if (value !== 'x') return;
        audience.leave(one, 'a');
        audience.join(noting(heard, 'two'), 'a');
      }),
    );
    audience.join(one, 'a');
    audience.tell('x', 'a');
    audience.tell('y', 'a');
    expect(heard).toEqual(['all hears x', 'all hears y', 'two hears y']);
  });
});

test('whoever comes and goes, each hears what was told while it was there, in order', () => {
  const keys = [undefined, 'a', 'b', 'c'];
  const step = fc.record({ who: fc.nat(15), tell: fc.option(fc.constantFrom('a', 'b', 'c'), { freq: 2 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const audience = new Audience<string>();
      const heard: string[] = [];
      const described: string[] = [];
      const all = Array.from({ length: 16 }, (_, who) => noting(heard, String(who)));
      let inside: readonly number[] = [];
      steps.forEach(({ who, tell }, value) => {
        const key = keys[who % keys.length];
        if (tell !== null) {
          audience.tell(String(value), tell);
          const [toAll, toOne] = [undefined, tell].map((wanted) =>
            inside.filter((one) => keys[one % keys.length] === wanted),
          );
          for (const one of [...(toAll ?? []), ...(toOne ?? [])]) {
            described.push(`${String(one)} hears ${String(value)}`);
          }
        } else if (inside.includes(who)) {
          audience.leave(all[who] as Listener<string>, key);
          inside = inside.filter((one) => one !== who);
        } else {
          audience.join(all[who] as Listener<string>, key);
          inside = [...inside, who];
        }
      });
      expect(heard).toEqual(described);
    }),
    { numRuns: 500 },
  );
});

test('nothing is held on to of a value that was told, and of who has left', async () => {
  const audience = new Audience<object>();
  const create = (): Listener<object> => ({ next: () => undefined, complete: () => undefined });
  const key = 'a';
  audience.join(create(), key);
  const isReleased = await Promise.all([
    released(() => {
      const value = {};
      audience.tell(value, key);
      return value;
    }),
    released(() => {
      const listener = create();
      audience.join(listener, key);
      audience.leave(listener, key);
      return listener;
    }),
  ]);
  audience.tell({}, key);
  expect(isReleased).toEqual([true, true]);
});
