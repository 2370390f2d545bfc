/**
 * Plays every attack, as often as it takes luck: `npm run hostile -- --rounds 20 --only swaps`. As the superuser against a manager of
 * his and one of an ordinary user, else against that of whoever runs it. Ends with 1 when something was found.
 */
import { parseArgs } from 'node:util';
import { compile } from '../support/compiled.js';
import { attacksOn, manager } from './attacksOn.js';
import { playAttacks } from './playAttacks.js';

const usage = `npm run hostile -- [options]
  --rounds N         plays each attack as often (20)
  --only TEXT        plays those whose opponent and name hold the text
  --patience SECONDS gives an attack as long (300)`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      only: { type: 'string', default: '' },
      patience: { type: 'string', default: '300' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const compiled = compile('test/hostile', 'test/support');
  const startedAt = performance.now();
  let [played, findings] = [0, 0];
  try {
    for (const user of manager.users) {
      const attacks = attacksOn(user).filter(({ opponent, name }) =>
        `${opponent}: ${name}`.includes(values.only),
      );
      const opponents = new Map(attacks.map(({ name, opponent }) => [name, opponent]));
      console.log(`Against a manager of ${user}, ${String(attacks.length)} attacks`);
      await playAttacks({
        names: attacks.map(({ name }) => name),
        program: compiled.pathOf('test/hostile/hostileChild.ts'),
        user,
        rounds: Number(values.rounds),
        patienceMs: 1_000 * Number(values.patience),
        onOutcome: ({ name, finding }) => {
          played += 1;
          const outcome = finding === undefined ? 'nothing' : 'FOUND  ';
          console.log(`${outcome}  ${(opponents.get(name) ?? '').padEnd(11)}  ${name}`);
          if (finding === undefined) return;
          findings += 1;
          console.log(finding.replace(/^/gm, '    '));
        },
      });
    }
  } finally {
    compiled.remove();
  }
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`${String(played)} attacks, ${String(findings)} findings; ${String(seconds)} s`);
  if (findings > 0) process.exitCode = 1;
}

void main();
