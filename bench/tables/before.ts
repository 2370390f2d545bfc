import assert from 'node:assert/strict';
import * as now from 'rx-instances';
import type { Driver, InstanceManager } from 'rx-instances';
import { filter, firstValueFrom, lastValueFrom, mergeMap, range, take } from 'rxjs';
import type { Bench, Contender, Session } from '../harness/bench.js';
import { base, type Build, earlierBuild } from '../harness/earlierBuild.js';
import { idleDriver } from '../harness/idleDriver.js';
import { filledFolder } from '../harness/scratch.js';
import { imageOf, openStage, sleeper, type Stage } from '../harness/stage.js';

const files = 1_000;

/** A verb, done to something of its own name that is made before and taken back after; only the verb is timed. */
interface Act {
  /** How often it is done in a sample. */
  readonly times: number;
  readonly prepare?: (name: string) => Promise<unknown>;
  readonly act: (name: string) => Promise<unknown>;
  /** Throws where the act has not done what it has to. */
  readonly look: (name: string) => Promise<void>;
  readonly undo: (name: string) => Promise<unknown>;
}

const one = firstValueFrom;

/** The image of those files. */
const image = (count: number): Promise<string> => imageOf(count, 10);

const nothing = (): Promise<void> => Promise.resolve();

const creating = ({ manager }: Stage): Act => ({
  times: 5,
  act: (name) => one(manager.create({ name, image: 'scratch', entrypoint: sleeper })),
  look: async (name) => {
    assert.equal((await one(manager.get(name))).state, 'Running');
  },
  undo: (name) => one(manager.delete(name)),
});

const deleting = (stage: Stage): Act => ({
  times: 5,
  prepare: creating(stage).act,
  act: (name) => one(stage.manager.delete(name)),
  look: async (name) => {
    assert.ok(
      (await one(stage.manager.list())).every((instance) => instance.name !== name),
      'it is gone',
    );
  },
  undo: nothing,
});

const forking =
  (times: number, count: number) =>
  async ({ manager, stopped, filesOf }: Stage): Promise<Act> => {
    await stopped('source', count === 0 ? 'scratch' : await image(count));
    return {
      times,
      act: (name) => one(manager.fork('source', { name, targetState: 'Stopped' })),
      look: async (name) => {
        assert.deepEqual(await filesOf(name), await filesOf('source'));
        assert.ok((await filesOf(name)).length >= count, 'all files are there');
      },
      undo: (name) => one(manager.delete(name)),
    };
  };

const snapshotting = async ({ manager, stopped }: Stage): Promise<Act> => {
  await stopped('source', await image(files));
  return {
    times: 1,
    act: (name) => one(manager.createSnapshot('source', { kind: 'Stopped', name })),
    look: async (name) => {
      assert.equal((await one(manager.listSnapshots({ name }))).length, 1);
    },
    undo: async (name) => {
      const [snapshot] = await one(manager.listSnapshots({ name }));
      await one(manager.deleteSnapshot(snapshot?.id ?? ''));
    },
  };
};

const restoring = async ({ manager, stopped, filesOf }: Stage): Promise<Act> => {
  await stopped('source', await image(files));
  const before = await filesOf('source');
  const { id } = await one(manager.createSnapshot('source', { kind: 'Stopped' }));
  return {
    times: 1,
    act: () => one(manager.restoreSnapshot('source', id)),
    look: async () => {
      assert.deepEqual(await filesOf('source'), before);
    },
    undo: nothing,
  };
};

/** Opens a stage in a new data directory, and does a verb there. */
async function verb(
  build: Build,
  folder: string,
  actOn: (stage: Stage) => Act | Promise<Act>,
): Promise<Session> {
  const stage = await openStage(build, folder);
  const { times, prepare = nothing, act, look, undo } = await actOn(stage);
  let count = 0;
  const names = (length: number): readonly string[] =>
    Array.from({ length }, () => `act-${String((count += 1))}`);
  return {
    check: async () => {
      for (const name of names(1)) {
        await prepare(name);
        await act(name);
        await look(name);
        await undo(name);
      }
    },
    sample: async () => {
      const acts = names(times);
      for (const name of acts) await prepare(name);
      const startedAt = performance.now();
      for (const name of acts) await act(name);
      const ms = performance.now() - startedAt;
      for (const name of acts) await undo(name);
      return (ms / times) * 1e6;
    },
    close: () => stage.manager.close({ stopInstances: true }),
  };
}

/** How a data directory that is opened gets its instances, and which driver they have. */
interface Population {
  readonly count: number;
  driver(build: Build): Driver;
  fill(manager: InstanceManager, count: number): Promise<unknown>;
}

/** Does something to all of them, many at once: they share the flushes of the disk. */
const toAll = (
  count: number,
  work: (name: string) => ReturnType<InstanceManager['stop']>,
): Promise<unknown> =>
  lastValueFrom(range(0, count).pipe(mergeMap((index) => work(`instance-${String(index)}`), 64)));

/** Records only. */
const idle: Population = {
  count: 10_000,
  driver: () => idleDriver,
  fill: async (manager, count) => {
    await toAll(count, (name) => manager.create({ name, image: 'any' }));
    await toAll(count, (name) => manager.stop(name));
  },
};

/** Each with a home, and what is written of its run. */
const ended: Population = {
  count: 1_000,
  driver: ({ createProcessDriver }) => createProcessDriver(),
  fill: async (manager, count) => {
    const ends$ = manager.events('ends').pipe(filter(({ action }) => action === 'exit'));
    const allEnded = lastValueFrom(ends$.pipe(take(count)));
    await toAll(count, (name) => manager.create({ name, image: 'scratch', entrypoint: ['true'] }));
    await allEnded;
  },
};

/** Opens a data directory that the earlier build has made and left. */
async function opening(build: Build, folder: string, { count, driver, fill }: Population): Promise<Session> {
  const dataDir = await filledFolder(folder, async (unfinished) => {
    const earlier = await earlierBuild();
    const manager = await earlier.openManager({ dataDir: unfinished, drivers: [driver(earlier)] });
    await fill(manager, count);
    await manager.close();
  });
  const open = (): Promise<InstanceManager> => build.openManager({ dataDir, drivers: [driver(build)] });
  return {
    check: async () => {
      const manager = await open();
      assert.equal((await one(manager.list({ state: 'Stopped' }))).length, count, 'all of them are there');
      await manager.close();
    },
    sample: async () => {
      const startedAt = performance.now();
      const manager = await open();
      const ms = performance.now() - startedAt;
      await manager.close();
      return ms * 1e6;
    },
  };
}

type Opens = (build: Build, folder: string) => Promise<Session>;

const verbs = {
  create: creating,
  delete: deleting,
  'fork from scratch': forking(5, 0),
  'fork, 1,000 files': forking(1, files),
  'snapshot, 1,000 files': snapshotting,
  'restore, 1,000 files': restoring,
};

const rows = new Map<string, Opens>([
  ...Object.entries(verbs).map(([row, actOn]): [string, Opens] => [
    row,
    (build, folder) => verb(build, folder, actOn),
  ]),
  ['open, 10,000 records', (build, folder) => opening(build, folder, idle)],
  ['open, 1,000 homes', (build, folder) => opening(build, folder, ended)],
]);

const contender = (name: string, build: () => Build | Promise<Build>): Contender => ({
  name,
  open: async (row) => {
    const open = rows.get(String(row));
    assert.ok(open, `there is a row ${String(row)}`);
    return open(await build(), `${name}-${[...rows.keys()].indexOf(String(row)).toString()}`);
  },
});

const ours = contender('ours', () => now);
const earlier: Contender = { ...contender('before', earlierBuild), measuredOnly: true };

/** What the same costs as it did in an earlier build. */
export const before: Bench = {
  name: 'before',
  title: 'Verbs, beside an earlier build of ours',
  unit: 'ns',
  rowsAre: 'verb',
  rows: [...rows.keys()],
  // What is quick is lost in what else the machine does, unless it is sampled often.
  rounds: (row) => (String(row).includes('000') ? 15 : 31),
  contenders: [ours, earlier],
  goals: [...rows.keys()].map((row) => ({
    what: `${row}, beside before`,
    of: { contender: ours.name, row },
    by: { contender: earlier.name, row },
    atMost: 1.1,
  })),
  about: `One after another in a data directory; \`create\` until a \`sleep\` is Running, \`delete\` of one that runs. What is forked, and of what a snapshot is taken, is Stopped. The data directories that are opened were made by the earlier build: records of a driver whose machines cost nothing, and processes that have ended, each with its home. The earlier build is that of \`${base}\`, made in this run.`,
};
