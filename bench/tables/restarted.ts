import assert from 'node:assert/strict';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { filter, firstValueFrom, map, take } from 'rxjs';
import type { Bench, Contender } from '../harness/bench.js';
import { newFolder } from '../harness/scratch.js';
import { sleeper } from '../harness/stage.js';

const row = 'a process';
const times = 10;

const opened = (folder: string): Promise<InstanceManager> =>
  openManager({ dataDir: newFolder(folder), drivers: [createProcessDriver()] });

/** The mean of some, one after another; what is done after each is not counted. */
async function meanOf(work: (index: number) => Promise<() => Promise<unknown>>): Promise<number> {
  let sum = 0;
  for (let index = 0; index < times; index += 1) {
    const startedAt = performance.now();
    const after = await work(index);
    sum += performance.now() - startedAt;
    await after();
  }
  return (sum / times) * 1e6;
}

const ours: Contender = {
  name: 'ours',
  open: async () => {
    const manager = await opened('restarted-ours');
    const restartPolicy = { policy: 'always', backoffMs: 0 } as const;
    const name = 'crashing';
    await firstValueFrom(manager.create({ name, image: 'scratch', entrypoint: sleeper, restartPolicy }));
    const crash = async (): Promise<() => Promise<unknown>> => {
      const { handle } = await firstValueFrom(manager.get(name));
      const restarted = firstValueFrom(
        manager.events('bench').pipe(
          filter(({ action }) => action === 'start'),
          map(({ instance, cause }) => [instance?.state, cause.by]),
          take(1),
        ),
      );
      process.kill(handle?.pid ?? NaN, 'SIGKILL');
      assert.deepEqual(await restarted, ['Running', 'restart_policy']);
      return () => Promise.resolve();
    };
    return {
      check: async () => {
        for (let round = 0; round < 3; round += 1) await crash();
      },
      sample: () => meanOf(crash),
      close: () => manager.close({ stopInstances: true }),
    };
  },
};

const alone: Contender = {
  name: 'create alone',
  open: async () => {
    const manager = await opened('restarted-alone');
    const create = async (): Promise<() => Promise<unknown>> => {
      const request = { name: 'created', image: 'scratch', entrypoint: sleeper };
      const { id, state } = await firstValueFrom(manager.create(request));
      assert.equal(state, 'Running');
      return () => firstValueFrom(manager.delete(id));
    };
    return {
      check: async () => {
        await (
          await create()
        )();
      },
      sample: () => meanOf(create),
      close: () => manager.close({ stopInstances: true }),
    };
  },
};

/** What it takes until a process that crashed runs again. */
export const restarted: Bench = {
  name: 'restarted',
  title: 'From a crash until it runs again',
  unit: 'ns',
  rowsAre: 'what',
  rows: [row],
  rounds: 7,
  contenders: [ours, alone],
  goals: [
    {
      what: 'beyond create',
      of: { contender: ours.name, row },
      beyond: { contender: alone.name, row },
      atMost: 10e6,
    },
  ],
  about:
    'A process is killed, until it is Running again by a restart policy without back-off, in a manager with a data directory. Beside it `create` of such a process. Ten one after another.',
};
