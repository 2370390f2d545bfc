import { sizes } from '../harness/ballast.js';
import type { Bench, Contender } from '../harness/bench.js';
import { createBareStarter, openManagedStarter, type Starter } from '../harness/starter.js';
import { starterSession } from '../harness/starterSession.js';

const starts = 10;

/** The mean of some starts, one after another. */
async function meanStart(start: Starter['start']): Promise<number> {
  const startedAt = performance.now();
  for (let index = 0; index < starts; index += 1) await start();
  return ((performance.now() - startedAt) / starts) * 1e6;
}

const ours: Contender = {
  name: 'ours',
  open: async (row) => starterSession(row, await openManagedStarter(), meanStart),
};
const bare: Contender = {
  name: 'bare spawn',
  open: (row) => starterSession(row, createBareStarter(), meanStart),
};

/** What it takes until a process runs. */
export const create: Bench = {
  name: 'create',
  title: 'Create a process until it is Running',
  unit: 'ns',
  rowsAre: 'resident memory',
  rows: sizes,
  rounds: 5,
  contenders: [ours, bare],
  goals: sizes.map((row) => ({
    what: `${String(row)}, beside a bare spawn`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: 1.3,
  })),
  about:
    'From the subscribe to `create`, without readiness, until the instance is Running: home, log and record are made on the way. Beside it `spawn` of Node until its event `spawn`. Ten starts one after another.',
};
