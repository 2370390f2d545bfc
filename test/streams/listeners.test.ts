import * as fc from 'fast-check';
import { type Listener, Listeners } from '../../src/streams/listeners.js';
import { collectGarbage } from '../support/collectGarbage.js';
import { released } from '../support/released.js';

/** Tells in one go. */
const tell = <T>(listeners: Listeners<T>, value: T): void => {
  listeners.hold();
  listeners.emit(value);
};

/** Listeners by name, who note what they hear; on hearing a value one may do something. */
const stage = () => {
  const listeners = new Listeners<number>();
  const heard: string[] = [];
  const on = new Map<string, () => void>();
  const known = new Map<string, Listener<number>>();
  const named = (name: string): Listener<number> => {
    const listener = known.get(name) ?? {
      next: (value) => {
        heard.push(`${name}${String(value)}`);
        on.get(`${name}${String(value)}`)?.();
      },
      complete: () => {
        heard.push(`${name} ends`);
        on.get(`${name} ends`)?.();
      },
    };
    known.set(name, listener);
    return listener;
  };
  return {
    listeners,
    heard,
    on,
    add: (...names: readonly string[]): void => {
      for (const name of names) listeners.add(named(name));
    },
    remove: (name: string): boolean => listeners.remove(named(name)),
    tell: (value: number): void => {
      tell(listeners, value);
    },
  };
};

describe('listeners', () => {
  test.each([['a'], ['a b'], ['a b c d e']])('are told in the order in which they came: %s', (names) => {
    const { heard, add, tell } = stage();
    const all = names.split(' ');
    add(...all);
    tell(1);
    tell(2);
    expect(heard).toEqual([...all.map((name) => `${name}1`), ...all.map((name) => `${name}2`)]);
  });

  test('who left hear nothing, and are not in the list any more', () => {
    const { heard, listeners, add, remove, tell } = stage();
    add('a', 'b', 'c');
    expect([remove('b'), remove('b')]).toEqual([true, false]);
    tell(1);
    expect([remove('a'), remove('c'), remove('c')]).toEqual([true, true, false]);
    tell(2);
    expect([heard, listeners.isEmpty]).toEqual([['a1', 'c1'], true]);
  });

  test('who were never there cannot be taken out', () => {
    const { remove, add, listeners } = stage();
    expect(remove('a')).toBe(false);
    add('b');
    expect(remove('a')).toBe(false);
    add('c');
    expect([remove('a'), listeners.isEmpty]).toEqual([false, false]);
  });

  test('who come back come last', () => {
    const { heard, add, remove, tell } = stage();
    add('a', 'b', 'c');
    remove('a');
    add('a');
    tell(1);
    expect(heard).toEqual(['b1', 'c1', 'a1']);
  });
});

describe('who is alone', () => {
  test('and leaves on hearing a value may come back, to hear the next', () => {
    const { heard, on, add, remove, tell } = stage();
    on.set('a1', () => {
      remove('a');
      add('a');
    });
    add('a');
    tell(1);
    tell(2);
    expect(heard).toEqual(['a1', 'a2']);
  });

  test('and brings another hears on, as the other does from the next value', () => {
    const { heard, on, add, tell } = stage();
    on.set('a1', () => {
      add('b');
    });
    add('a');
    tell(1);
    tell(2);
    expect(heard).toEqual(['a1', 'a2', 'b2']);
  });

  test('and leaves to another in one value leaves the other alone', () => {
    const { heard, on, add, remove, tell } = stage();
    on.set('a1', () => {
      remove('a');
      add('b');
    });
    on.set('b2', () => {
      remove('b');
      add('a');
    });
    add('a');
    for (const value of [1, 2, 3]) tell(value);
    expect(heard).toEqual(['a1', 'b2', 'a3']);
  });
});

describe('a list that is held', () => {
  test.each([
    ['nobody', []],
    ['one', ['a']],
    ['several', ['a', 'b', 'c']],
  ] as const)('does not tell who comes before the value is told, where there is %s', (_, names) => {
    const { heard, listeners, add } = stage();
    add(...names);
    listeners.hold();
    add('x', 'y');
    listeners.emit(1);
    expect(heard).toEqual(names.map((name) => `${name}1`));
    tell(listeners, 2);
    expect(heard.slice(names.length)).toEqual([...names, 'x', 'y'].map((name) => `${name}2`));
  });

  test.each([
    ['one', ['a']],
    ['several', ['a', 'b', 'c']],
  ] as const)('does not tell who leaves, nor who leaves and comes back, where there is %s', (_, names) => {
    const { heard, listeners, add, remove } = stage();
    add(...names);
    listeners.hold();
    for (const name of names) remove(name);
    add('a');
    listeners.emit(1);
    expect(heard).toEqual([]);
    tell(listeners, 2);
    expect(heard).toEqual(['a2']);
  });

  test('keeps its order while half of it and more leaves within a value', () => {
    const { heard, on, add, remove, tell } = stage();
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    add(...names);
    on.set('b1', () => {
      for (const name of ['a', 'b', 'c', 'd', 'e', 'g']) remove(name);
      add('x');
    });
    tell(1);
    expect(heard).toEqual(['a1', 'b1', 'f1', 'h1']);
    tell(2);
    expect(heard.slice(4)).toEqual(['f2', 'h2', 'x2']);
    for (const name of ['f', 'h', 'x']) expect(remove(name)).toBe(true);
  });
});

describe('the end', () => {
  test.each([['a'], ['a b c']])('is told to all once, and nothing after it: %s', (names) => {
    const { heard, listeners, add, remove, tell } = stage();
    add(...names.split(' '));
    listeners.complete();
    listeners.complete();
    tell(1);
    expect(heard).toEqual(names.split(' ').map((name) => `${name} ends`));
    expect([listeners.isEmpty, remove('a')]).toEqual([true, false]);
  });

  test('is not told to who is taken out by somebody who hears of it', () => {
    const { heard, on, listeners, add, remove } = stage();
    add('a', 'b', 'c', 'd');
    on.set('a ends', () => {
      expect([remove('a'), remove('b'), remove('d')]).toEqual([false, true, true]);
    });
    listeners.complete();
    expect([heard, listeners.isEmpty]).toEqual([['a ends', 'c ends'], true]);
  });

  test('is not told to who comes on hearing of it', () => {
    const { heard, on, listeners, add, tell } = stage();
    add('a', 'b', 'c', 'd');
    on.set('a ends', () => {
      add('x');
    });
    listeners.complete();
    tell(1);
    expect(heard).toEqual(['a ends', 'b ends', 'c ends', 'd ends', 'x1']);
  });
});

/** The list as it is described, without a thought for speed. */
class Described {
  #inside: { readonly listener: Listener<number> }[] = [];
  #held: readonly { readonly listener: Listener<number> }[] = [];

  get isEmpty(): boolean {
    return this.#inside.length === 0;
  }

  add(listener: Listener<number>): void {
    this.#inside.push({ listener });
  }

  remove(listener: Listener<number>): boolean {
    const before = this.#inside.length;
    this.#inside = this.#inside.filter((one) => one.listener !== listener);
    return this.#inside.length < before;
  }

  hold(): void {
    this.#held = [...this.#inside];
  }

  emit(value: number): void {
    for (const one of this.#held) if (this.#inside.includes(one)) one.listener.next(value);
  }

  complete(): void {
    for (const one of [...this.#inside]) {
      if (!this.#inside.includes(one)) continue;
      this.remove(one.listener);
      one.listener.complete();
    }
  }
}

/** What may happen to one of them: where it is in the list it leaves, else it comes. */
type Step =
  { readonly kind: 'turn'; readonly who: number } | { readonly kind: 'hold' } | { readonly kind: 'emit' };

const who = fc.nat(11);
const turn = fc.record({ kind: fc.constant('turn' as const), who });
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: turn, weight: 4 },
  { arbitrary: fc.constant({ kind: 'hold' as const }), weight: 1 },
  { arbitrary: fc.constant({ kind: 'emit' as const }), weight: 2 },
);

/** Plays steps on a list; whoever is told something does the next of the deeds. Returns all that can be seen. */
const play = (
  list: Pick<Listeners<number>, 'add' | 'remove' | 'hold' | 'emit' | 'complete' | 'isEmpty'>,
  steps: readonly Step[],
  deeds: readonly (readonly number[])[],
): readonly string[] => {
  const log: string[] = [];
  const inside = new Set<number>();
  let next = 0;
  const toggle = (name: number): void => {
    if (inside.delete(name))
      log.push(`${String(name)} goes: ${String(list.remove(all[name] as Listener<number>))}`);
    else {
      inside.add(name);
      list.add(all[name] as Listener<number>);
    }
  };
  const act = (): void => {
    for (const name of deeds[next++] ?? []) toggle(name);
  };
  const all = Array.from({ length: 12 }, (_, name): Listener<number> => ({
    next: (value) => {
      log.push(`${String(name)} hears ${String(value)}`);
      act();
    },
    complete: () => {
      inside.delete(name);
      log.push(`${String(name)} ends`);
      for (const other of deeds[next++] ?? []) if (inside.has(other)) toggle(other);
    },
  }));
  let isHeld = false;
  for (const [value, one] of steps.entries()) {
    if (one.kind === 'turn') toggle(one.who);
    else if (one.kind === 'emit') {
      if (!isHeld) list.hold();
      list.emit(value);
      isHeld = false;
    } else if (!isHeld) {
      list.hold();
      isHeld = true;
    }
    log.push(list.isEmpty ? 'empty' : 'some');
  }
  if (isHeld) list.emit(-1);
  list.complete();
  return log;
};

test('whatever comes, goes, is held and told, the list does what is described', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120 }),
      fc.array(fc.array(who, { maxLength: 3 }), { maxLength: 40 }),
      (steps, deeds) => {
        expect(play(new Listeners<number>(), steps, deeds)).toEqual(play(new Described(), steps, deeds));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('to come and to go costs the same among a hundred thousand, in whatever order they go', () => {
  const listeners = new Listeners<number>();
  let heard = 0;
  const all = Array.from({ length: 100_000 }, (): Listener<number> => ({
    next: () => {
      heard += 1;
    },
    complete: () => undefined,
  }));
  for (const listener of all) listeners.add(listener);
  tell(listeners, 1);
  // A list that looked for each of them, or moved up all behind it, would not be done within the life of this test.
  for (const listener of all.filter((_, index) => index % 2 === 0)) listeners.remove(listener);
  tell(listeners, 2);
  for (const listener of all.filter((_, index) => index % 2 === 1).reverse()) listeners.remove(listener);
  tell(listeners, 3);
  expect([heard, listeners.isEmpty]).toEqual([150_000, true]);
});

test('a list does not grow with those who come and go', () => {
  const listeners = new Listeners<number>();
  const create = (): Listener<number> => ({ next: () => undefined, complete: () => undefined });
  for (let others = 0; others < 10; others += 1) listeners.add(create());
  const guest = create();
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let time = 0; time < 1_000_000; time += 1) {
    listeners.add(guest);
    listeners.remove(guest);
  }
  collectGarbage();
  // A place takes 8 bytes.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
  expect(listeners.isEmpty).toBe(false);
});

test.each([1, 2, 5])('a list of %i holds on to nobody who has left it', async (count) => {
  const listeners = new Listeners<number>();
  const create = (): Listener<number> => ({ next: () => undefined, complete: () => undefined });
  for (let others = 1; others < count; others += 1) listeners.add(create());
  const isReleased = await released(() => {
    const listener = create();
    listeners.add(listener);
    tell(listeners, 1);
    listeners.remove(listener);
    return listener;
  });
  tell(listeners, 2);
  expect(isReleased).toBe(true);
});

describe('listeners who can be called by a function', () => {
  const failure = new Error('of the listener');

  /** One who is called, and notes what it threw. */
  const called = (name: string, heard: string[], then: () => void = () => undefined): Listener<number> => ({
    next: (value) => heard.push(`${name}${String(value)} by next`),
    call: (value) => {
      heard.push(`${name}${String(value)}`);
      then();
    },
    threw: (error) => heard.push(`${name} threw ${String(error)}`),
    complete: () => heard.push(`${name} ends`),
  });

  test('are, in their order among the others, unless they are alone', () => {
    const heard: string[] = [];
    const listeners = new Listeners<number>();
    listeners.add(called('a', heard));
    tell(listeners, 1);
    listeners.add({ next: (value) => heard.push(`b${String(value)}`), complete: () => undefined });
    listeners.add(called('c', heard));
    tell(listeners, 2);
    listeners.complete();
    expect(heard).toEqual(['a1 by next', 'a2', 'b2', 'c2', 'a ends', 'c ends']);
  });

  test('are told what they throw, also on their way out, and hurt nobody', () => {
    const heard: string[] = [];
    const listeners = new Listeners<number>();
    const all = ['a', 'b', 'c', 'd'].map((name) =>
      called(name, heard, () => {
        if (name === 'b') for (const leaving of all.slice(0, 3)) listeners.remove(leaving);
        if (name === 'a' || name === 'b') throw failure;
      }),
    );
    all.forEach((listener) => {
      listeners.add(listener);
    });
    tell(listeners, 1);
    tell(listeners, 2);
    const threw = `threw ${String(failure)}`;
    expect(heard).toEqual(['a1', `a ${threw}`, 'b1', `b ${threw}`, 'd1', 'd2']);
  });

  test('are held by nothing once they have left while a value was told', async () => {
    const listeners = new Listeners<number>();
    for (let count = 0; count < 3; count += 1) listeners.add(called('other', []));
    const isReleased = await released(() => {
      const leaving = called('leaving', [], () => listeners.remove(leaving));
      listeners.add(leaving);
      tell(listeners, 1);
      return leaving;
    });
    expect(isReleased).toBe(true);
  });
});
