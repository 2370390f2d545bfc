import * as fc from 'fast-check';
import { asyncScheduler, Subject, Subscription } from 'rxjs';
import { ManagerClosed } from '../../src/lifecycle/errors.js';
import { type State, states } from '../../src/lifecycle/state.js';
import { marbles } from '../support/marbles.js';
import { released } from '../support/released.js';
import { waitingRoom } from '../support/waitingRoom.js';

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

describe('ten thousand waits for one instance', () => {
  test('are ended by one event, in their order, and leave nothing', () => {
    const before = timers();
    const { waits, wait, tell, listening, reads, ends, underWay } = waitingRoom();
    const heard: number[] = [];
    for (let index = 0; index < 10_000; index += 1) {
      wait('a', 'Running', {}, () => heard.push(index));
    }
    // One for the polls of the instance, one for the deadlines.
    expect([timers() - before, listening(), underWay(), reads()]).toEqual([2, 10_000, 10_000, 10_000]);
    tell('b', 'Running');
    expect(heard).toEqual([]);
    tell('a', 'Running');
    expect(heard).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
    expect(ends.every(({ outcome, via }) => outcome === 'reached' && via === 'event')).toBe(true);
    expect([timers() - before, listening(), underWay(), ends.length]).toEqual([0, 0, 0, 10_000]);
    expect([...waits.deadlines, ...waits.polls.delays]).toEqual([]);
  });

  test('share every poll', () => {
    marbles(({ flush }) => {
      const { wait, set, reads, listening } = waitingRoom();
      const heard: string[] = [];
      for (let index = 0; index < 10_000; index += 1) {
        wait('a', 'Running', { pollMs: 10 }, (how) => heard.push(how));
      }
      asyncScheduler.schedule(() => {
        set('a', 'Running');
      }, 25);
      flush();
      // Each has read when it began.
      expect([reads(), listening(), new Set(heard)]).toEqual([10_003, 0, new Set(['Running via poll'])]);
      expect(heard).toHaveLength(10_000);
    });
  });
});

describe('on the outcome of a wait', () => {
  test('another can be begun for the same instance, which the same event does not end', () => {
    const { wait, tell, listening } = waitingRoom();
    const heard: string[] = [];
    const again = (how: string): void => {
      heard.push(how);
      if (heard.length < 4)
        wait('a', ['Stopped', 'Running'].filter((state) => !how.startsWith(state)) as State[], {}, again);
    };
    wait('a', 'Running', {}, again);
    tell('a', 'Running');
    expect([heard, listening()]).toEqual([['Running via event'], 1]);
    tell('a', 'Running');
    tell('a', 'Stopped');
    // It is in the state already from which the next waits for another: that one ends at once.
    expect([heard, listening()]).toEqual([
      ['Running via event', 'Stopped via event', 'Stopped via read', 'Stopped via read'],
      0,
    ]);
  });

  test('others can be left, before and behind it', () => {
    const { wait, tell, listening } = waitingRoom();
    const heard: string[] = [];
    const before = wait('a', 'Stopped', {}, () => heard.push('before'));
    wait('a', 'Running', {}, () => {
      heard.push('one');
      before.unsubscribe();
      behind.unsubscribe();
    });
    const behind = wait('a', 'Running', {}, () => heard.push('behind'));
    wait('a', 'Running', {}, () => heard.push('last'));
    tell('a', 'Running');
    expect([heard, listening()]).toEqual([['one', 'last'], 0]);
  });

  test('a hundred thousand can follow one another without growing the stack', () => {
    const { wait, set, listening } = waitingRoom();
    set('a', 'Running');
    let count = 0;
    for (let index = 0; index < 100_000; index += 1) wait('a', 'Running', {}, () => (count += 1));
    expect([count, listening()]).toEqual([100_000, 0]);
  });
});

describe('when all waits fail', () => {
  const closed = new ManagerClosed();

  test('each is told, whatever its deadline, and nothing is left', () => {
    const before = timers();
    const { waits, wait, listening, underWay, ends } = waitingRoom();
    const heard: string[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      wait(
        `instance-${String(index % 7)}`,
        'Running',
        { timeoutMs: 1_000 + (index % 50), pollMs: 1_000 + (index % 9) },
        (how) => heard.push(how),
      );
    }
    waits.fail(closed);
    expect(heard).toEqual(Array.from({ length: 1_000 }, () => 'ManagerClosed'));
    expect(ends.map(({ outcome, via }) => `${outcome} ${via}`)).toEqual(
      Array.from({ length: 1_000 }, () => 'failed none'),
    );
    expect([timers() - before, listening(), underWay()]).toEqual([0, 0, 0]);
  });

  test('one that hears of it may leave others, which hear nothing, and all the rest do', () => {
    const { waits, wait, listening } = waitingRoom();
    const heard: string[] = [];
    const all: Subscription[] = ['a', 'b', 'c', 'd', 'e'].map((name) =>
      wait('x', 'Running', {}, () => {
        heard.push(name);
        if (name !== 'b') return;
        all[2]?.unsubscribe();
        all[4]?.unsubscribe();
      }),
    );
    waits.fail(closed);
    expect([heard, listening()]).toEqual([['a', 'b', 'd'], 0]);
  });

  test('one that makes its last look fails too', () => {
    marbles(({ flush }) => {
      const { waits, wait, listening } = waitingRoom();
      const heard: string[] = [];
      wait('a', 'Running', { timeoutMs: 10 }, (how) => heard.push(how));
      jest.spyOn(waits.port, 'truth').mockReturnValue(new Subject());
      asyncScheduler.schedule(() => {
        waits.fail(closed);
      }, 20);
      flush();
      expect([heard, listening()]).toEqual([['ManagerClosed'], 0]);
    });
  });

  test('one that begins then is not failed', () => {
    const { waits, wait, underWay } = waitingRoom();
    const heard: string[] = [];
    wait('a', 'Running', {}, () => {
      next.add(wait('a', 'Running', {}, (how) => heard.push(how)));
    });
    const next = new Subscription();
    waits.fail(closed);
    expect([heard, underWay()]).toEqual([[], 1]);
    next.unsubscribe();
    expect(underWay()).toBe(0);
  });
});

test('whoever begins and leaves, in whatever order, each hears the first state that decides, once', () => {
  const ids = ['a', 'b', 'c'];
  const decisive = states.filter(
    (state) => state !== 'Created' && state !== 'Initializing' && state !== 'Unknown',
  );
  const step = fc.oneof(
    {
      arbitrary: fc.record({
        kind: fc.constant('wait' as const),
        id: fc.nat(2),
        state: fc.constantFrom(...decisive),
        lasts: fc.nat(2),
      }),
      weight: 4,
    },
    { arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat(20) }), weight: 2 },
    {
      arbitrary: fc.record({
        kind: fc.constant('tell' as const),
        id: fc.nat(2),
        state: fc.constantFrom(...states),
      }),
      weight: 2,
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { waits, wait, tell, listening, underWay, ends } = waitingRoom();
      const now = new Map<string, State>();
      const all: {
        readonly id: string;
        readonly target: State;
        readonly left: Subscription;
        expected: State | undefined;
        isLeft: boolean;
      }[] = [];
      const heard: (string | undefined)[] = [];
      const decides = (target: State, state: State): boolean =>
        state === target || !['Created', 'Initializing', 'Running'].includes(state);
      for (const step of steps) {
        if (step.kind === 'wait') {
          const id = ids[step.id] as string;
          const index = all.length;
          const left = wait(
            id,
            step.state,
            { timeoutMs: 60_000 + step.lasts, pollMs: 5_000 + step.lasts },
            (how) => {
              expect(heard[index]).toBeUndefined();
              heard[index] = how.split(' ')[0];
            },
          );
          const state = now.get(id) ?? 'Initializing';
          const expected = decides(step.state, state) ? state : undefined;
          all.push({ id, target: step.state, left, expected, isLeft: false });
        } else if (step.kind === 'leave') {
          const one = all[step.which];
          one?.left.unsubscribe();
          if (one?.expected === undefined && one !== undefined) one.isLeft = true;
        } else {
          const id = ids[step.id] as string;
          now.set(id, step.state);
          tell(id, step.state);
          for (const one of all) {
            if (one.id === id && one.expected === undefined && !one.isLeft && decides(one.target, step.state))
              one.expected = step.state;
          }
        }
        expect(all.map((_, index) => heard[index])).toEqual(all.map(({ expected }) => expected));
        const pending = all.filter(({ expected, isLeft }) => expected === undefined && !isLeft).length;
        expect([listening(), underWay()]).toEqual([pending, pending]);
        expect(ends).toHaveLength(all.length - pending - all.filter(({ isLeft }) => isLeft).length);
      }
      waits.fail(new ManagerClosed());
      expect([listening(), underWay(), [...waits.polls.delays]]).toEqual([0, 0, []]);
    }),
    { numRuns: 200 },
  );
});

test.each(['ended', 'left', 'failed'])('a wait that has %s is held on to by nobody', async (how) => {
  const { waits, wait, tell } = waitingRoom();
  const other = wait('a', 'Stopped');
  const isReleased = await released(() => {
    const one = wait('a', 'Running');
    if (how === 'ended') tell('a', 'Running');
    if (how === 'left') one.unsubscribe();
    if (how === 'failed') waits.fail(new ManagerClosed());
    return one;
  });
  tell('a', 'Initializing');
  other.unsubscribe();
  expect(isReleased).toBe(true);
});
