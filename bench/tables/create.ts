import assert from 'node:assert/strict';
import { ballast, sizes } from '../harness/ballast.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { createBareStarter, openManagedStarter, type Starter } from '../harness/starter.js';

const starts = 10;

/** A sample is the mean of some starts, one after another. */
function stage(row: Row, { start, endAll }: Starter): Session {
  const held = ballast(row);
  return {
    check: async () => {
      const pid = await start();
      assert.ok(process.kill(pid, 0), 'the process runs');
      await endAll();
    },
    sample: async () => {
      const startedAt = performance.now();
      for (let index = 0; index < starts; index += 1) await start();
      const ms = performance.now() - startedAt;
      await endAll();
      return (ms / starts) * 1e6;
    },
    close: () => {
      assert.equal(held.length, ballast(row).length, 'the memory was held to the end');
    },
  };
}

const ours: Contender = { name: 'ours', open: async (row) => stage(row, await openManagedStarter()) };
const bare: Contender = { name: 'bare spawn', open: (row) => stage(row, createBareStarter()) };

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
