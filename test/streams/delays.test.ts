import * as fc from 'fast-check';
import { asyncScheduler } from 'rxjs';
import { type Delayed, Delays } from '../../src/streams/delays.js';
import { collectGarbage } from '../support/collectGarbage.js';
import { marbles } from '../support/marbles.js';
import { released } from '../support/released.js';
import { until } from '../support/until.js';

/** Delays by name, in virtual time: who is due is noted with the time, and may then do something. */
const stage = () => {
  const delays = new Delays();
  const due: string[] = [];
  const on = new Map<string, () => void>();
  const known = new Map<string, Delayed>();
  const named = (name: string): Delayed => {
    const delayed = known.get(name) ?? {
      onDue: () => {
        due.push(`${name} at ${String(asyncScheduler.now())}`);
        const deed = on.get(name);
        on.delete(name);
        deed?.();
      },
    };
    known.set(name, delayed);
    return delayed;
  };
  return {
    delays,
    due,
    on,
    named,
    start: (name: string, delayMs: number): void => {
      delays.start(named(name), delayMs);
    },
    cancel: (name: string): void => {
      delays.cancel(named(name));
    },
    underWay: (): readonly string[] =>
      [...delays].map((delayed) => [...known].find(([, one]) => one === delayed)?.[0] ?? 'nobody'),
  };
};

const at = (time: number, deed: () => void): void => {
  asyncScheduler.schedule(deed, time);
};

/** Plays in virtual time to the end. */
const play = (deeds: () => void): void => {
  marbles(({ flush }) => {
    deeds();
    flush();
  });
};

describe('a delay', () => {
  test('is over after its time, once', () => {
    const { start, due } = stage();
    play(() => {
      start('a', 10);
      at(5, () => {
        start('b', 7);
      });
    });
    expect(due).toEqual(['a at 10', 'b at 12']);
  });

  test('of one length is over in the order of the beginnings, at its own time', () => {
    const { start, due } = stage();
    play(() => {
      for (const [index, name] of ['c', 'a', 'b'].entries()) {
        at(index * 3, () => {
          start(name, 10);
        });
      }
      start('d', 10);
    });
    expect(due).toEqual(['d at 10', 'c at 10', 'a at 13', 'b at 16']);
  });

  test('that is cancelled is never over, wherever it stands', () => {
    const { start, cancel, due } = stage();
    play(() => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) start(name, 10);
      for (const name of ['a', 'c', 'e']) cancel(name);
    });
    expect(due).toEqual(['b at 10', 'd at 10']);
  });

  test('that was cancelled can be started anew, with another length too', () => {
    const { start, cancel, due } = stage();
    play(() => {
      start('a', 10);
      start('b', 10);
      at(4, () => {
        cancel('a');
        start('a', 10);
        cancel('b');
        start('b', 3);
      });
    });
    expect(due).toEqual(['b at 7', 'a at 14']);
  });

  test('that is over, was cancelled already, or never began can be cancelled', () => {
    const { start, cancel, due } = stage();
    play(() => {
      cancel('never');
      start('a', 10);
      start('b', 10);
      at(5, () => {
        cancel('b');
        cancel('b');
      });
      at(20, () => {
        cancel('a');
      });
    });
    expect(due).toEqual(['a at 10']);
  });

  test('of no length is over in a turn of its own', () => {
    const { start, due } = stage();
    play(() => {
      start('a', 0);
      expect(due).toEqual([]);
    });
    expect(due).toEqual(['a at 0']);
  });
});

describe('when a delay is over', () => {
  test('it can be started again, each time for its whole length', () => {
    const { start, due, on } = stage();
    const again = (): void => {
      start('a', 10);
      if (due.length < 3) on.set('a', again);
    };
    on.set('a', again);
    play(() => {
      start('a', 10);
    });
    expect(due).toEqual(['a at 10', 'a at 20', 'a at 30', 'a at 40']);
  });

  test('another that is due at the same time can be cancelled, and a later one', () => {
    const { start, cancel, due, on } = stage();
    on.set('a', () => {
      cancel('b');
      cancel('d');
    });
    play(() => {
      for (const name of ['a', 'b', 'c']) start(name, 10);
      at(5, () => {
        start('d', 10);
        start('e', 10);
      });
    });
    expect(due).toEqual(['a at 10', 'c at 10', 'e at 15']);
  });

  test('all others can be cancelled, and new ones started', () => {
    const { start, cancel, due, on } = stage();
    on.set('a', () => {
      for (const name of ['b', 'c']) cancel(name);
      start('d', 10);
      start('e', 4);
    });
    play(() => {
      for (const name of ['a', 'b', 'c']) start(name, 10);
    });
    expect(due).toEqual(['a at 10', 'e at 14', 'd at 20']);
  });

  test('another that is started and cancelled again leaves no trace', () => {
    const { start, cancel, due, on, underWay } = stage();
    on.set('a', () => {
      start('b', 10);
      cancel('b');
    });
    play(() => {
      start('a', 10);
    });
    expect([due, underWay()]).toEqual([['a at 10'], []]);
  });

  test('and the last of its length was cancelled, one that begins is under way', () => {
    const { start, cancel, due, on, underWay } = stage();
    on.set('a', () => {
      cancel('b');
      start('c', 10);
    });
    play(() => {
      start('a', 10);
      start('b', 10);
      at(11, () => {
        start('d', 10);
        expect(underWay()).toEqual(['c', 'd']);
      });
    });
    expect(due).toEqual(['a at 10', 'c at 20', 'd at 21']);
  });

  test.each([0, 0.5, 1])('and begins anew with %f ms, others have their turn first', async (delayMs) => {
    const delays = new Delays();
    let times = 0;
    const again: Delayed = {
      onDue: () => {
        times += 1;
        // Without a turn for others it would go on in one go.
        if (times < 10_000) delays.start(again, delayMs);
      },
    };
    delays.start(again, delayMs);
    await until(
      () => times,
      (count) => count >= 5,
    );
    delays.cancel(again);
    expect(times).toBeGreaterThanOrEqual(5);
    expect(times).toBeLessThan(10_000);
  });
});

describe('those under way', () => {
  test('are told, by length, in the order of their ends', () => {
    const { start, cancel, underWay } = stage();
    marbles(() => {
      expect(underWay()).toEqual([]);
      for (const [name, delayMs] of [
        ['a', 10],
        ['b', 20],
        ['c', 10],
        ['d', 20],
      ] as const)
        start(name, delayMs);
      cancel('a');
      expect(underWay()).toEqual(['c', 'b', 'd']);
      for (const name of ['b', 'c', 'd']) cancel(name);
      expect(underWay()).toEqual([]);
    });
  });

  test('are all told, whatever is cancelled and started meanwhile', () => {
    const { delays, start, cancel, named } = stage();
    marbles(() => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) start(name, 10);
      start('f', 20);
      const told: Delayed[] = [];
      for (const delayed of delays) {
        told.push(delayed);
        if (told.length !== 1) continue;
        cancel('a');
        cancel('b');
        cancel('d');
        start('g', 10);
      }
      for (const name of ['a', 'c', 'e', 'f']) expect(told).toContain(named(name));
      for (const delayed of [...delays]) delays.cancel(delayed);
    });
  });
});

test('whatever is started and cancelled, also by those that are due, each is over at its time', () => {
  const length = fc.constantFrom(0, 1, 2, 3, 5, 8, 13, 100);
  const deed = fc.record({ who: fc.nat(9), length, isStart: fc.boolean() });
  const step = fc.record({ after: fc.integer({ min: 0, max: 6 }), deed });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(fc.array(deed, { maxLength: 3 }), { maxLength: 40 }),
      (steps, reactions) => {
        const delays = new Delays();
        /** When each that is under way has to be over, and when and how it began. */
        const expected = new Map<
          number,
          { readonly due: number; readonly length: number; readonly order: number }
        >();
        let order = 0;
        let reaction = 0;
        const act = ({ who, length, isStart }: { who: number; length: number; isStart: boolean }): void => {
          const delayed = all[who] as Delayed;
          delays.cancel(delayed);
          expected.delete(who);
          if (!isStart) return;
          delays.start(delayed, length);
          expected.set(who, { due: asyncScheduler.now() + length, length, order: (order += 1) });
        };
        const all = Array.from({ length: 10 }, (_, who): Delayed => ({
          onDue: () => {
            const mine = expected.get(who);
            expect(mine?.due).toBe(asyncScheduler.now());
            for (const [other, { length, order }] of expected) {
              // Of one length, those that began before are over before.
              if (other !== who && length === mine?.length) expect(order).toBeGreaterThan(mine.order);
            }
            expected.delete(who);
            for (const one of reactions[reaction++] ?? []) act(one);
          },
        }));
        play(() => {
          let time = 0;
          for (const { after, deed } of steps) {
            time += after;
            at(time, () => {
              act(deed);
            });
          }
          // After all that is due then.
          for (let end = 0; end <= time + 101; end += 1) {
            at(end + 0.5, () => {
              for (const { due } of expected.values()) expect(due).toBeGreaterThan(end);
            });
          }
        });
      },
    ),
    { numRuns: 300 },
  );
});

describe('when somebody sets the clock', () => {
  const hourMs = 3_600_000;

  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test.each([
    ['back', -hourMs],
    ['forward', hourMs],
  ])('%s by an hour, no delay is shortened or lengthened', (_, jump) => {
    const delays = new Delays();
    const due: string[] = [];
    const delayed = (name: string): Delayed => ({ onDue: () => due.push(name) });
    delays.start(delayed('a'), 20);
    jest.advanceTimersByTime(10);
    delays.start(delayed('b'), 20);
    jest.setSystemTime(Date.now() + jump);
    delays.start(delayed('c'), 20);
    jest.advanceTimersByTime(9);
    expect(due).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(due).toEqual(['a']);
    jest.advanceTimersByTime(9);
    expect(due).toEqual(['a']);
    jest.advanceTimersByTime(1);
    expect([due, jest.getTimerCount()]).toEqual([['a', 'b', 'c'], 0]);
  });
});

test('a delay is over with a timer that is early by a part of a millisecond', () => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  const now = jest.spyOn(performance, 'now').mockReturnValue(100.7);
  const delays = new Delays();
  const due: string[] = [];
  const delayed = (name: string): Delayed => ({ onDue: () => due.push(name) });
  delays.start(delayed('a'), 10);
  now.mockReturnValue(101.8);
  delays.start(delayed('b'), 10);
  now.mockReturnValue(110.1);
  jest.advanceTimersByTime(10);
  expect(due).toEqual(['a']);
  now.mockReturnValue(111.8);
  jest.advanceTimersByTime(1);
  expect([due, jest.getTimerCount()]).toEqual([['a', 'b'], 0]);
  now.mockRestore();
  jest.useRealTimers();
});

describe('a hundred thousand', () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

  test('have one timer for each length, and none when all are cancelled, in whatever order', () => {
    const before = timers();
    const delays = new Delays();
    const all = Array.from({ length: 100_000 }, (): Delayed => ({ onDue: () => undefined }));
    for (const [index, delayed] of all.entries()) delays.start(delayed, 60_000 + (index % 3));
    expect(timers() - before).toBe(3);
    for (const [index, delayed] of all.entries()) if (index % 2 === 0) delays.cancel(delayed);
    for (const delayed of all.reverse()) delays.cancel(delayed);
    expect([timers() - before, [...delays]]).toEqual([0, []]);
  });

  test('leave no timer when they are over', async () => {
    const before = timers();
    const delays = new Delays();
    let over = 0;
    const onDue = (): void => {
      over += 1;
    };
    for (let index = 0; index < 100_000; index += 1) delays.start({ onDue }, 1 + (index % 2));
    const left = await until(
      () => timers() - before,
      (count) => count === 0,
    );
    expect([left, over]).toEqual([0, 100_000]);
  });
});

test('a length of which no delay is under way is forgotten', () => {
  const delays = new Delays();
  const delayed: Delayed = { onDue: () => undefined };
  const heapAfter = (count: number): number => {
    for (let length = 1; length <= count; length += 1) {
      delays.start(delayed, 60_000 + length / count);
      delays.cancel(delayed);
    }
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = heapAfter(1_000);
  // A length takes some 200 bytes.
  expect(heapAfter(50_000) - before).toBeLessThan(2_000_000);
  expect([...delays]).toEqual([]);
});

test.each(['before', 'after'] as const)(
  'a delay that was cancelled does not hold on to the one %s it',
  async (side) => {
    const delays = new Delays();
    const create = (): Delayed => ({ onDue: () => undefined });
    const cancelled = create();
    const isReleased = await released(() => {
      const neighbours = { before: create(), after: create() };
      for (const delayed of [neighbours.before, cancelled, neighbours.after]) delays.start(delayed, 60_000);
      delays.cancel(cancelled);
      for (const delayed of Object.values(neighbours)) delays.cancel(delayed);
      return neighbours[side];
    });
    expect([isReleased, cancelled.line]).toEqual([true, undefined]);
  },
);

test.each([
  ['is over', false],
  ['was cancelled', true],
])('a delay that %s is held on to by nobody', async (_, isCancelled) => {
  const delays = new Delays();
  let isOver = false;
  const other: Delayed = { onDue: () => undefined };
  delays.start(other, 60_000);
  const isReleased = await released(() => {
    const delayed: Delayed = {
      onDue: () => {
        isOver = true;
      },
    };
    delays.start(delayed, isCancelled ? 60_000 : 1);
    if (isCancelled) delays.cancel(delayed);
    return delayed;
  });
  delays.cancel(other);
  expect([isReleased, isOver]).toEqual([true, !isCancelled]);
});
