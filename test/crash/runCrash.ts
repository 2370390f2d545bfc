/** Kills a manager as often as it is told to: `npm run crash -- --rounds 1000 --seed 7`. Ends with 1 when something was lost or left. */
import { parseArgs } from 'node:util';
import { compile } from '../support/compiled.js';
import { type CrashReport, crashRun } from './crashRun.js';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '1000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    },
  });
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
  const compiled = compile('test/crash', 'test/support', 'test/store');
  const startedAt = performance.now();
  const lineOf = ({ rounds: done, verbs, events, whileOpening, killedMeanwhile }: CrashReport): string => {
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    return (
      `${String(done)} kills, ${String(whileOpening)} of them while it opened; ${String(verbs)} verbs, ` +
      `${String(events)} events, ${String(killedMeanwhile)} processes killed meanwhile; ${String(seconds)} s`
    );
  };

  console.log(`Seed ${String(seed)}`);
  try {
    const program = compiled.pathOf('test/crash/crashChild.ts');
    const onRound = (report: CrashReport): void => {
      if (process.stdout.isTTY) process.stdout.write(`\r${lineOf(report)}`);
      else if (report.rounds % 100 === 0) console.log(lineOf(report));
    };
    const report = await crashRun({ rounds, seed, program, onRound });
    console.log(`\n${lineOf(report)}`);
    for (const [phase, kills] of Object.entries(report.inPhase))
      console.log(`${String(kills)} kills: ${phase}`);
    for (const [what, times] of report.done)
      if (!what.endsWith('undefined')) console.log(`${String(times)} times: ${what}`);
    console.log(`${String(report.failures.length)} failures`);
    for (const failure of report.failures) console.log(failure);
    if (report.failures.length > 0) process.exitCode = 1;
  } finally {
    compiled.remove();
  }
}

void main();
