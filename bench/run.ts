/**
 * `npm run bench` goes through the traps and measures everything; `npm run bench -- publish iterate` measures these, and
 * `npm run bench -- traps` only goes through the traps, `npm run bench -- answers` through the checks of the answers. Every contender first shows that
 * it gives the right answer: one that does not ends the run with an error. A goal that is missed does not.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { benches, benchOf } from './benches.js';
import { type Bench, NotRun } from './harness/bench.js';
import { machine } from './harness/machine.js';
import { measure } from './harness/measure.js';
import { pageWith } from './harness/page.js';
import { plot } from './harness/plot.js';
import { progressOf } from './harness/progress.js';
import type { Outcome, Result } from './harness/results.js';
import { clearUpAfterwards, removeScratch } from './harness/scratch.js';
import { amount, times } from './harness/written.js';
import { runTraps } from './traps/runTraps.js';

const resultsFile = join(__dirname, 'results.json');
const pageFile = join(__dirname, 'README.md');

const isNoFile = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** What earlier runs found, so that a run of one bench leaves the other tables as they are. */
function earlier(): readonly Result[] {
  try {
    return JSON.parse(readFileSync(resultsFile, 'utf8')) as readonly Result[];
  } catch (error) {
    if (isNoFile(error)) return [];
    throw error;
  }
}

async function writePretty(file: string, text: string): Promise<void> {
  const options = await resolveConfig(file);
  writeFileSync(file, await format(text, { ...options, filepath: file }));
}

async function write(results: readonly Result[]): Promise<void> {
  mkdirSync(join(__dirname, 'plots'), { recursive: true });
  for (const result of results) writeFileSync(join(__dirname, 'plots', `${result.name}.svg`), plot(result));
  await writePretty(resultsFile, JSON.stringify(results));
  await writePretty(pageFile, pageWith(readFileSync(pageFile, 'utf8'), results));
}

function goalLine({ unit }: Result, { what, atMost, measured, spread, isRatio, met }: Outcome): string {
  const written = (figure: number): string => (isRatio ? times(figure) : amount(figure, unit));
  const half = spread === undefined ? '' : ` (half of them ${spread.map(written).join(' to ')})`;
  const found = measured === undefined ? 'not run' : `${written(measured)}${half}`;
  return `  ${met ? 'met   ' : 'MISSED'} ${what}: ${found}, at most ${written(atMost)}`;
}

async function measureAll(chosen: readonly Bench[]): Promise<void> {
  const ranOn = machine();
  console.log(ranOn);
  const startedAt = performance.now();
  const found = new Map(earlier().map((result) => [result.name, result]));
  for (const [index, bench] of chosen.entries()) {
    console.log(`\n${bench.title} (${bench.name}, ${String(index + 1)} of ${String(chosen.length)})`);
    const begunAt = performance.now();
    const progress = progressOf(bench, (text) => process.stdout.write(text), process.stdout.isTTY);
    const result = await measure(bench, ranOn, progress);
    const seconds = (performance.now() - begunAt) / 1_000;
    console.log(
      [...result.goals.map((goal) => goalLine(result, goal)), `  ${seconds.toFixed(0)} s`].join('\n'),
    );
    found.set(bench.name, result);
    await write(benches.flatMap(({ name }) => found.get(name) ?? []));
  }
  console.log(
    `\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s; all of it stands in bench/README.md`,
  );
}

/** Lets every contender show the right answer in its first row, and measures nothing. */
async function checkAll(): Promise<void> {
  for (const { name, rows, contenders } of benches) {
    const notRun = new Set<string>();
    for (const contender of contenders) {
      if (contender.measuredOnly) continue;
      try {
        const session = await contender.open(rows[0] ?? 0);
        await session.check();
        await session.close?.();
      } catch (error) {
        if (!(error instanceof NotRun)) throw error;
        notRun.add(error.message);
      }
    }
    console.log(
      `${name}: ${notRun.size === 0 ? 'the answers are right' : `not run: ${[...notRun].join('; ')}`}`,
    );
  }
}

async function main(names: readonly string[]): Promise<void> {
  const chosen = names.filter((name) => !['traps', 'answers'].includes(name)).map(benchOf);
  if (names.includes('answers')) await checkAll();
  if (names.length === 0 || names.includes('traps')) await runTraps();
  if (names.length === 0) await measureAll(benches);
  else if (chosen.length > 0) await measureAll(chosen);
}

process.on('exit', removeScratch);
clearUpAfterwards();
main(process.argv.slice(2)).then(
  // What was measured here may have timers that nobody needs any more.
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
