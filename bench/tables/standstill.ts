import { sizes } from '../harness/ballast.js';
import type { Bench, Contender } from '../harness/bench.js';
import { createBareStarter, openManagedStarter, type Starter } from '../harness/starter.js';
import { starterSession } from '../harness/starterSession.js';
import { median } from '../harness/statistics.js';

const starts = 10;

const nextTurn = (): Promise<void> => new Promise((turn) => setImmediate(turn));

/** Turns the event loop as fast as it can, and tells the longest time between two turns. */
function watchLoop(): () => number {
  let longest = 0;
  let last = performance.now();
  let isWatching = true;
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isWatching) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    isWatching = false;
    return Math.max(longest, performance.now() - last);
  };
}

/** The longest standstill in a start: the middle one of some starts, since the machine stands still too. */
async function longestStandstill(start: Starter['start']): Promise<number> {
  const standstills: number[] = [];
  for (let index = 0; index < starts; index += 1) {
    const longest = watchLoop();
    await start();
    // Node tells of a start within the turn that stood still.
    await nextTurn();
    standstills.push(longest());
  }
  return median(standstills) * 1e6;
}

/** What the machine itself does to a loop that has nothing to do. */
const idle: Starter = {
  start: async () => {
    const until = performance.now() + 2;
    while (performance.now() < until) await nextTurn();
    return process.pid;
  },
  endAll: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const ours: Contender = {
  name: 'ours',
  open: async (row) => starterSession(row, await openManagedStarter(), longestStandstill),
};
const bare: Contender = {
  name: 'bare spawn',
  open: (row) => starterSession(row, createBareStarter(), longestStandstill),
};
const nothing: Contender = {
  name: 'nothing started',
  open: (row) => starterSession(row, idle, longestStandstill),
};

/** For how long nothing else can be done while processes are started. */
export const standstill: Bench = {
  name: 'standstill',
  title: 'Standstill of the event loop while processes are created',
  unit: 'ns',
  rowsAre: 'resident memory',
  rows: sizes,
  rounds: 5,
  contenders: [ours, bare, nothing],
  goals: sizes.map((row) => ({
    what: String(row),
    of: { contender: ours.name, row },
    atMost: 2e6,
  })),
  about:
    'The longest time between two turns of the event loop during a start; of ten starts the median, since a machine with others on it stands still by itself. What it does when nothing is started stands in the last column.',
};
