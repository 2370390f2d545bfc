import { type Compiled, compile } from '../support/compiled.js';
import { attacksOn, manager, type ManagerUser } from './attacksOn.js';
import { type Outcome, playAttacks } from './playAttacks.js';

// They are played one after another, and the first begins with the compiler.
jest.setTimeout(600_000);

const shortly = (user: ManagerUser) => attacksOn(user).filter(({ isLong = false }) => !isLong);

let compiled: Compiled;
const outcomes = new Map<string, Map<string, Outcome>>();
let played: Promise<unknown>;

beforeAll(() => {
  compiled = compile('test/hostile', 'test/support');
  const program = compiled.pathOf('test/hostile/hostileChild.ts');
  played = Promise.all(
    manager.users.map(async (user) => {
      const done = new Map<string, Outcome>();
      outcomes.set(user, done);
      await playAttacks({
        // A machine may take a minute to start.
        ...{ program, user, rounds: 1, patienceMs: 120_000 },
        names: shortly(user).map(({ name }) => name),
        onOutcome: (outcome) => done.set(outcome.name, outcome),
      });
    }),
  );
});

afterAll(() => {
  compiled.remove();
});

describe.each(manager.users)('against a manager of %s, there comes to nothing', (user) => {
  it.each(shortly(user))('$opponent: $name', async ({ name }) => {
    await played;
    expect(outcomes.get(user)?.get(name)).toStrictEqual({ kind: 'ends', name });
  });
});
