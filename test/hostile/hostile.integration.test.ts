import { type Compiled, compile } from '../support/compiled.js';
import { oneIn } from '../support/inShort.js';
import type { Opponent } from './attack.js';
import { attacksOn, manager } from './attacksOn.js';
import { type Outcome, playAttacks } from './playAttacks.js';

// All are played before the first is told, and they begin with the compiler.
jest.setTimeout(600_000);

/** To these it is the same as whom the manager runs: each is played against the first. */
const alike: readonly Opponent[] = ['application', 'guest'];

const shortly = new Map(
  manager.users.map((user) => {
    const attacks = attacksOn(user).filter(({ isLong = false }) => !isLong);
    if (user === manager.users[0]) return [user, attacks] as const;
    // Half of them, others each time: most come to nothing by the same lines as against the first.
    const others = attacks.filter(({ opponent }) => !alike.includes(opponent));
    return [user, oneIn(2, others)] as const;
  }),
);

let compiled: Compiled;
const outcomes = new Map<string, Map<string, Outcome>>();
let played: Promise<unknown>;

beforeAll(() => {
  compiled = compile('test/hostile', 'test/support');
  const program = compiled.pathOf('test/hostile/hostileChild.ts');
  played = Promise.all(
    manager.users.flatMap((user) => {
      const done = new Map<string, Outcome>();
      outcomes.set(user, done);
      const names = (shortly.get(user) ?? []).map(({ name }) => name);
      // Most of them wait for something, and none knows of the others.
      return [0, 1].map((lane) =>
        playAttacks({
          // A machine may take a minute to start.
          ...{ program, user, rounds: 1, patienceMs: 120_000 },
          names: names.filter((_, index) => index % 2 === lane),
          onOutcome: (outcome) => done.set(outcome.name, outcome),
        }),
      );
    }),
  );
});

afterAll(() => {
  compiled.remove();
});

describe.each(manager.users)('against a manager of %s, there comes to nothing', (user) => {
  it.each(shortly.get(user) ?? [])('$opponent: $name', async ({ name }) => {
    await played;
    expect(outcomes.get(user)?.get(name)).toStrictEqual({ kind: 'ends', name });
  });
});
