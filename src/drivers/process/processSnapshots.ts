import { mkdir, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defer, ignoreElements, type Observable } from 'rxjs';
import { copyTree } from '../copyTree.js';
import type { Replacement, SnapshotContent, Snapshotting } from '../driver.js';
import { onDisk } from '../onDisk.js';
import { createSealedFolder } from '../sealedFolder.js';
import { removeTree } from './removeTree.js';
import { fillHome, workDirOf } from './workDir.js';

/**
 * Snapshots of processes: the folder holds a copy of the working directory, and its manifest. The memory of a process
 * cannot be kept, and logs stay with their instance.
 */
export function createProcessSnapshots(): Snapshotting {
  return {
    kinds: ['Stopped'],
    take: ({ home, folder }) => defer(() => take(home, folder)),
    check: (folder, { hash }) => defer(() => createSealedFolder(folder).check(hash)),
    layOut: ({ home, folder }) => done(() => layOut(home, folder)),
    replace: ({ home, folder }) => defer(() => replace(home, folder)),
    mend: (home) => done(() => mend(home)),
    discard: (folder) => done(() => removeTree(folder)),
  };
}

const done = (work: () => Promise<unknown>): Observable<never> => defer(work).pipe(ignoreElements());

async function take(home: string, folder: string): Promise<SnapshotContent> {
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  await mkdir(folder, { mode: 0o700 });
  try {
    await copyTree(workDirOf(home), join(folder, 'work'));
    return { ...(await createSealedFolder(folder).seal()), data: null };
  } catch (error) {
    await removeTree(folder);
    throw error;
  }
}

async function layOut(home: string, folder: string): Promise<void> {
  await fillHome(home, 'snapshot', (work) => createSealedFolder(folder).copyOut('work', work));
  for (const path of [home, dirname(home)]) await onDisk(path);
}

/** The names beside the working directory: of one that takes its place, and of one whose place was taken. */
const nextOf = (home: string): string => `${workDirOf(home)}.next`;
const formerOf = (home: string): string => `${workDirOf(home)}.former`;

async function replace(home: string, folder: string): Promise<Replacement> {
  const [work, next, former] = [workDirOf(home), nextOf(home), formerOf(home)];
  await mend(home);
  try {
    await createSealedFolder(folder).copyOut('work', next);
    await rename(work, former);
    await rename(next, work);
    await onDisk(home);
  } catch (error) {
    await mend(home);
    throw error;
  }
  return {
    keep: () => done(() => removeTree(former)),
    undo: () =>
      done(async () => {
        await rename(work, next);
        await mend(home);
      }),
  };
}

/** Between two renames there is no working directory: then the former one is it again. What lies beside it goes. */
async function mend(home: string): Promise<void> {
  const [work, next, former] = [workDirOf(home), nextOf(home), formerOf(home)];
  const names = await readdir(home).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Array<string>();
    throw error;
  });
  if (!names.includes('work') && names.includes('work.former')) {
    await rename(former, work);
    await onDisk(home);
  }
  for (const path of [next, former]) await removeTree(path);
}
