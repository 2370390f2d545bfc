import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as build from 'rx-instances';
import { firstValueFrom as one } from 'rxjs';
import type { Bench, Contender, Row } from '../harness/bench.js';
import { newFolder } from '../harness/scratch.js';
import { imageOf, namesIn, openStage, sleeper, type Stage } from '../harness/stage.js';

const files = 50_000;
/** Enough to see that all of them are there. */
const fewFiles = 100;
const directories = 500;

const run = promisify(execFile);

/** What somebody else does to the disk meanwhile: small files, each flushed. */
const busy = 'while :; do dd if=/dev/zero of="$1" bs=16k count=1 conv=fsync 2>/dev/null; done';

/** Keeps the disk busy while something is done. */
async function besideWriters<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const writers = ['one', 'other'].map((name) =>
    spawn('sh', ['-c', busy, 'writer', join(folder, name)], { detached: true, stdio: 'ignore' }),
  );
  try {
    return await work();
  } finally {
    await Promise.all(writers.map(endGroup));
  }
}

async function endGroup(leader: ChildProcess): Promise<void> {
  const ended = once(leader, 'exit');
  process.kill(-(leader.pid ?? NaN), 'SIGKILL');
  await ended;
}

/** In nanoseconds. What was written before is on disk, so that nobody pays for another. */
async function timeOf(row: Row, folder: string, work: () => Promise<unknown>): Promise<number> {
  await run('sync');
  const timed = async (): Promise<number> => {
    const startedAt = performance.now();
    await work();
    return (performance.now() - startedAt) * 1e6;
  };
  return String(row).endsWith('busy disk') ? besideWriters(folder, timed) : timed();
}

/** Does a verb to an instance with so many files; resolves with the name of one that has them then. */
type Verb = (stage: Stage, name: string, count: number) => Promise<string>;

const sourceOf = (count: number): string => `source-of-${String(count)}`;

const verbs: Readonly<Record<string, Verb>> = {
  create: async ({ manager }, name, count) => {
    await one(manager.create({ name, image: await imageOf(count, directories), entrypoint: sleeper }));
    return name;
  },
  fork: async ({ manager }, name, count) => {
    await one(manager.fork(sourceOf(count), { name, targetState: 'Stopped' }));
    return name;
  },
  snapshot: async ({ manager }, name, count) => {
    await one(manager.createSnapshot(sourceOf(count), { kind: 'Stopped', name }));
    return sourceOf(count);
  },
  restore: async ({ manager }, _, count) => {
    const [snapshot] = await one(manager.listSnapshots({ name: sourceOf(count) }));
    await one(manager.restoreSnapshot(sourceOf(count), snapshot?.id ?? ''));
    return sourceOf(count);
  },
};

const [idle, loaded] = ['idle disk', 'busy disk'];
const verbNames = Object.keys(verbs);
const rows = verbNames.flatMap((name) => [`${name}, ${idle}`, `${name}, ${loaded}`]);
const verbOf = (row: Row): string => String(row).split(',')[0] ?? '';

/** A name that no other folder or instance of this process has. */
let made = 0;
const newName = (): string => `copy-${String((made += 1))}`;

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const folder = newFolder(`copies-ours-${String(rows.indexOf(String(row)))}`);
    const stage = await openStage(build, join(folder, 'data'));
    const verb = verbs[verbOf(row)] as Verb;
    const prepare = async (count: number): Promise<void> => {
      await stage.stopped(sourceOf(count), await imageOf(count, directories));
      if (verb !== verbs['restore']) return;
      await one(stage.manager.createSnapshot(sourceOf(count), { kind: 'Stopped', name: sourceOf(count) }));
    };
    let isPrepared = false;
    return {
      check: async () => {
        await prepare(fewFiles);
        const copy = await verb(stage, newName(), fewFiles);
        assert.deepEqual(await stage.filesOf(copy), namesIn(await imageOf(fewFiles, directories)));
      },
      sample: async () => {
        if (!isPrepared) await prepare(files);
        isPrepared = true;
        // What is made stays until the row is done: ext4 looks long for room where many files were removed a moment ago.
        return timeOf(row, folder, () => verb(stage, newName(), files));
      },
      close: async () => {
        await stage.manager.close({ stopInstances: true });
        await run('rm', ['-rf', folder]);
      },
    };
  },
};

const copier: Contender = {
  name: 'cp -a',
  open: (row) => {
    const folder = newFolder(`copies-cp-${String(rows.indexOf(String(row)))}`);
    const copy = async (count: number): Promise<string> => {
      const target = join(folder, newName());
      await run('cp', ['-a', await imageOf(count, directories), target]);
      return target;
    };
    return {
      check: async () => {
        assert.deepEqual(namesIn(await copy(fewFiles)), namesIn(await imageOf(fewFiles, directories)));
      },
      sample: async () => {
        await imageOf(files, directories);
        return timeOf(row, folder, () => copy(files));
      },
      close: async () => {
        await run('rm', ['-rf', folder]);
      },
    };
  },
};

/** What the disk is busy with otherwise nobody can see, but that it takes longer. */
const flush: Contender = {
  name: 'fdatasync of 4 kB',
  open: (row) => {
    const folder = newFolder(`copies-flush-${String(rows.indexOf(String(row)))}`);
    const times = 20;
    const flushAll = async (): Promise<void> => {
      const file = await open(join(folder, 'flushed'), 'w');
      for (let done = 0; done < times; done += 1) {
        await file.write(Buffer.alloc(4_096, done), 0, 4_096, 0);
        await file.datasync();
      }
      await file.close();
    };
    return {
      check: flushAll,
      sample: async () => (await timeOf(row, folder, flushAll)) / times,
    };
  },
};

const atMost: Readonly<Record<string, readonly [number, number]>> = {
  create: [2.5, 1],
  fork: [2.5, 1],
  snapshot: [5, 2],
  restore: [5, 2],
};

/** What trees of many files take. */
export const copies: Bench = {
  name: 'copies',
  title: 'Verbs that copy 50,000 files',
  unit: 'ns',
  rowsAre: 'verb',
  rows,
  rounds: 3,
  contenders: [ours, copier, flush],
  goals: verbNames.flatMap((name) =>
    [idle, loaded].map((disk, index) => ({
      what: `${name}, ${disk}, beside cp -a`,
      of: { contender: ours.name, row: `${name}, ${disk}` },
      by: { contender: copier.name, row: `${name}, ${disk}` },
      atMost: atMost[name]?.[index] ?? NaN,
    })),
  ),
  about:
    'Files of 1 kB in 500 directories, through a manager with a data directory, beside `cp -a` of the same tree on the same disk. A snapshot is hashed and flushed, and a restore holds it against its hashes before it is copied and flushed; `cp` does none of that. On the busy disk two others write and flush small files all the time. What else the machine does to the disk is told by what a flush takes.',
};
