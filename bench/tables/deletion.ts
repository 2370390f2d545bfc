import { sizes } from '../harness/ballast.js';
import type { Bench, Contender } from '../harness/bench.js';
import { createBareStarter, openManagedStarter, type Starter } from '../harness/starter.js';
import { starterSession } from '../harness/starterSession.js';

const [small = ''] = sizes;
const processes = 10;
const [ends, both] = ['delete', 'create and delete'];

/** The mean of some, one after another. */
const taking =
  (row: string | number, { endAll }: Starter) =>
  async (start: Starter['start']): Promise<number> => {
    const startedAt = performance.now();
    for (let index = 0; index < processes; index += 1) await start();
    const startedAll = performance.now();
    await endAll();
    const from = row === ends ? startedAll : startedAt;
    return ((performance.now() - from) / processes) * 1e6;
  };

const contender = (name: string, open: () => Starter | Promise<Starter>): Contender => ({
  name,
  open: async (row) => {
    const starter = await open();
    return starterSession(small, starter, taking(row, starter));
  },
});

const ours = contender('ours', openManagedStarter);
const bare = contender('bare spawn', createBareStarter);

/** What it takes until a process is gone. */
export const deletion: Bench = {
  name: 'deletion',
  title: 'Create and delete a process',
  unit: 'ns',
  rowsAre: 'verb',
  rows: [ends, both],
  rounds: 15,
  contenders: [ours, bare],
  goals: [],
  about:
    'From the subscribe to `delete` of a `sleep` that runs until it is gone: the process, its home, its log and its record. Beside it `spawn` of Node, a SIGKILL, and its event `exit`. Ten, one after another.',
};
