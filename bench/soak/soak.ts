/**
 * `npm run soak -- --minutes 10 --seed 7` does everything at once, at random, with faults: verbs on machines in memory and
 * on real processes, subscribers of every kind, waits, kills from outside. Every few seconds it comes to rest and holds what
 * is left against what has to be. The seed steers what is done, not how fast the machine does it.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { heap } from '../harness/heap.js';
import { amount } from '../harness/written.js';
import { meddle } from './outside.js';
import { createRandom } from './random.js';
import { listen } from './readers.js';
import { nothingIsLeft, rest } from './rest.js';
import { doBursts, doVerbs } from './verbs.js';
import { waitAround } from './waits.js';
import { openWorld, pause, type Tally, type World } from './world.js';

const roundMs = 5_000;
/** Rounds of one manager: the last of them ends in the middle, by its close. */
const rounds = 3;
const workers = { verbs: 6, waits: 12 };
/** A heap that grew by less than this over the run is flat. */
const flatBytes = 8_000_000;

const tally: Tally = { events: 0, lost: 0, verbs: 0, waits: 0, kills: 0, faults: 0 };
const faults: string[] = [];
const heaps: number[] = [];
const startedAt = performance.now();
let isInterrupted = false;

const broken = (what: string): void => {
  if (faults.length < 20) faults.push(what);
};

function tell(what: string): void {
  const seconds = (performance.now() - startedAt) / 1_000;
  const list = Object.entries(tally).map(([name, count]) => `${Number(count).toLocaleString('en')} ${name}`);
  const heapNow = amount(heaps.at(-1) ?? 0, 'bytes');
  const line = `${seconds.toFixed(0).padStart(5)} s  ${list.join(', ')}, heap ${heapNow}: ${what}`;
  process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
}

/** Lets everybody act for a while. */
async function act(world: World, shared: AbortSignal): Promise<() => Promise<unknown>> {
  world.isOver = false;
  const actors = [
    ...Array.from({ length: workers.verbs }, () => doVerbs),
    doBursts,
    ...Array.from({ length: workers.waits }, () => waitAround(shared)),
    meddle,
  ];
  const acting = actors.map((actor) => actor(world));
  for (let left = roundMs; left > 0; left -= 500) {
    await pause(500);
    if (process.stdout.isTTY) tell(`${String(world.witness.table.size)} instances`);
  }
  return () => {
    world.isOver = true;
    return Promise.all(acting);
  };
}

/** The life of one manager. */
async function live(world: World, until: () => boolean): Promise<void> {
  const shared = new AbortController().signal;
  for (let round = 1; round <= rounds && !until(); round += 1) {
    const readers = listen(world);
    const end = await act(world, shared);
    if (round < rounds) {
      await end();
      await rest(world, readers, shared);
      heaps.push(await heap());
      tell('at rest, nothing is left');
      continue;
    }
    world.isFaulty = false;
    world.isClosing = true;
    const closing = world.manager.close();
    await Promise.all([end(), closing]);
    readers.leave();
  }
  world.isFaulty = false;
  world.isClosing = true;
  await world.manager.close();
  if (!world.witness.hasEnded()) broken('the events did not complete when the manager was closed');
  await nothingIsLeft(world);
  tell('closed, nothing is left');
}

/** The least that was held early on, beside the least in the end. */
function checkHeap(): void {
  if (heaps.length < 8) return;
  const early = Math.min(...heaps.slice(1, 4));
  const late = Math.min(...heaps.slice(-3));
  if (late - early > flatBytes) {
    broken(`the heap grew from ${amount(early, 'bytes')} to ${amount(late, 'bytes')}`);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const random = createRandom(seed);
  const endsAt = startedAt + Number(values.minutes) * 60_000;
  const isOver = (): boolean => isInterrupted || performance.now() > endsAt || faults.length > 0;
  // Managers keep their homes among the temporary files: here in a folder of their own, which has to be empty in the end.
  const homes = mkdtempSync(join(tmpdir(), 'soak-'));
  process.env['TMPDIR'] = homes;
  process.once('SIGINT', () => {
    isInterrupted = true;
  });
  process.on('uncaughtException', (error) => {
    broken(`thrown where nobody could catch it: ${error.stack ?? String(error)}`);
  });

  console.log(`${values.minutes} minutes, seed ${String(seed)}`);
  do await live(await openWorld(random, tally, broken), isOver);
  while (!isOver());
  checkHeap();
  for (const [name, count] of Object.entries(tally)) if (count === 0) broken(`no ${name}: nothing was tried`);

  const files = readdirSync(homes);
  if (files.length > 0) broken(`files are left: ${files.join(', ')}`);
  rmSync(homes, { recursive: true, force: true });
  if (faults.length === 0) {
    console.log('\nNothing broke.');
    return;
  }
  console.error(`\nBroken, with seed ${String(seed)}:\n  ${faults.join('\n  ')}`);
  // What is left may hold the process.
  process.exit(1);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
