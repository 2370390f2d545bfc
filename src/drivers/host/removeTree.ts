import { constants, type Dirent, fchmod, fstatSync, rename, rmdir, unlink } from 'node:fs';
import { chmod, lstat, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { lastValueFrom, timer } from 'rxjs';
import { ownMark, removedSuffix } from '../driver.js';
import { attempt } from './attempt.js';
import { createDescent, type Descent } from './descent.js';
import { eachAtOnce } from './eachAtOnce.js';
import { eachBranch } from './eachBranch.js';
import { entriesOf } from './entriesOf.js';
import { type HeldFolder, holdFolder, pathOnly } from './heldFolder.js';
import { namedError } from './namedError.js';
import { createSlots } from './slots.js';
import { walks } from './walks.js';

/**
 * Removes a folder with all that is in it, also what its owner has made read-only; one that is not there is removed already.
 * It is renamed first, to its name with {@link removedSuffix}: what bears its name is whole, or gone. What a removal left that
 * was cut off is removed with it.
 *
 * No link is followed, and nothing of another file system is removed: on Linux whatever a program puts in the place of what
 * meanwhile, elsewhere as far as it does not.
 */
export const removeTree = (path: string, platform: NodeJS.Platform = process.platform): Promise<void> =>
  walks.run(async () => {
    const aside = `${path}${removedSuffix}`;
    const renamed = await attempt(() => renameEntry(path, aside), [gone, ...standsInTheWay]);
    if (renamed !== gone && renamed !== undefined) {
      await remove(aside, path, platform);
      await renameEntry(path, aside);
    }
    await remove(aside, path, platform);
  });

const gone = 'ENOENT';
/** Of a rename to where something is that was left. */
const standsInTheWay = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EISDIR'];
const noDirectory = ['ENOTDIR', 'ELOOP'];
const denied = ['EACCES', 'EPERM'];
const filled = ['ENOTEMPTY', 'EEXIST'];

/** Processes that end may still be writing: half a second. */
const [mostTries, longerMs] = [10, 10];

/** They hold no descriptors, and with more of them a thread need not be woken for each. */
const removalsAtOnce = 64;
const removals = createSlots(removalsAtOnce);

/** Names of a large directory that are in memory at a time. */
const namesAtOnce = 4_096;

const mark = Buffer.from(ownMark);
// Those of `node:fs/promises` make an array of numbers each time, which costs as much again.
const [renameEntry, rmdirEntry, unlinkEntry] = [promisify(rename), promisify(rmdir), promisify(unlink)];
const fchmodFd = promisify(fchmod);

/** Removes an entry of a directory that is held open, with all that is in it, as {@link removeTree} does. */
export const removeEntry = (
  folder: HeldFolder,
  name: string,
  path: string,
  platform: NodeJS.Platform = process.platform,
): Promise<void> => walks.run(() => remove(folder.within(name), path, platform));

/** A removal that goes on. */
interface Removal {
  /** Where it is. */
  readonly way: Descent;
  readonly platform: NodeJS.Platform;
  /** The file system on which it began. */
  readonly device: number;
}

/** Removes what is at a place; errors name the path. */
async function remove(place: Buffer | string, path: string, platform: NodeJS.Platform): Promise<void> {
  let root: HeldFolder | undefined;
  const hold = async (): Promise<void> => {
    root = await holdFolder(place, platform);
  };
  const makeReadable = (): Promise<void> => giveAccess(place, platform);
  const held = await attempt(() => readably(hold, makeReadable), [gone, ...noDirectory]);
  if (held === gone) return;
  if (root === undefined) return unlinkEntry(place);

  const removal = { way: createDescent(root, platform), platform, device: fstatSync(root.fd).dev };
  try {
    await untilEmpty(path, async () => {
      await empty(removal, path, ({ name }) => !name.equals(mark));
      const { folder } = removal.way;
      // To the last it shows whose the folder is.
      await attempt(() => forced(folder, () => unlinkEntry(folder.within(mark))), [gone]);
      return attempt(() => rmdirEntry(place), [gone, ...filled]);
    });
  } finally {
    removal.way.close();
  }
}

/** Removes what is in the directory where the removal is. */
async function empty(
  removal: Removal,
  path: string,
  isMeant: (entry: Dirent<Buffer>) => boolean = () => true,
): Promise<void> {
  let read: number;
  do {
    const { folder } = removal.way;
    const all = await entriesOf(folder, namesAtOnce);
    read = all.length;
    const entries = all.filter(isMeant);
    const others = entries.filter((entry) => !entry.isDirectory());
    const directories = entries.filter((entry) => entry.isDirectory());
    await eachBranch(
      removal.way,
      directories,
      (way, { name }) => removeDirectory({ ...removal, way }, name, path),
      () => eachAtOnce(others, removals, removalsAtOnce, ({ name }) => removeOther(folder, name, path)),
    );
  } while (read >= namesAtOnce);
}

async function removeOther(folder: HeldFolder, name: Buffer, parent: string): Promise<void> {
  try {
    // What is a directory by now makes the one that it lies in not empty, and its turn comes.
    await attempt(() => forced(folder, () => unlinkEntry(folder.within(name))), [gone, 'EISDIR']);
  } catch (error) {
    throw namedError(error, `${parent}/${name.toString()}`);
  }
}

async function removeDirectory(removal: Removal, name: Buffer, parent: string): Promise<void> {
  const { way } = removal;
  const path = `${parent}/${name.toString()}`;
  await untilEmpty(path, async () => {
    const entered = await attempt(() => enter(removal, name, path), [gone, ...noDirectory]);
    if (entered === undefined) {
      await empty(removal, path);
      await way.up();
      const { folder } = way;
      const removed = await attempt(
        () => forced(folder, () => rmdirEntry(folder.within(name))),
        [gone, ...filled, ...noDirectory],
      );
      if (removed === undefined || !noDirectory.includes(removed)) return removed;
    }
    // By now it is something else.
    await removeOther(way.folder, name, parent);
    return undefined;
  });
}

async function enter({ way, platform, device }: Removal, name: Buffer, path: string): Promise<void> {
  const { folder } = way;
  await readably(
    () => way.down(name),
    () => forced(folder, () => giveAccess(folder.within(name), platform)),
  );
  if (fstatSync(way.folder.fd).dev !== device) {
    throw new Error(`${path} lies on another file system, of which nothing is removed`);
  }
}

/** Removes a directory, again where somebody has put something into it meanwhile; `work` returns what kept it. */
async function untilEmpty(path: string, work: () => Promise<string | undefined>): Promise<void> {
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const code = await work();
    if (code === undefined || !filled.includes(code)) return;
    await lastValueFrom(timer(tries * longerMs));
  }
  throw new Error(`${path} cannot be removed: something is put into it again and again`);
}

/** Removes an entry, also from a directory that its owner has made read-only. */
async function forced(folder: HeldFolder, work: () => Promise<void>): Promise<void> {
  if ((await attempt(work, denied)) === undefined) return;
  await fchmodFd(folder.fd, 0o700);
  await work();
}

/** Opens a directory, also one that its owner may not look into. */
async function readably(hold: () => Promise<void>, makeReadable: () => Promise<void>): Promise<void> {
  if ((await attempt(hold, denied)) === undefined) return;
  await makeReadable();
  await hold();
}

async function giveAccess(path: Buffer | string, platform: NodeJS.Platform): Promise<void> {
  if (platform !== 'linux') {
    // What is a link leads elsewhere.
    if ((await lstat(path)).isDirectory()) await chmod(path, 0o700);
    return;
  }
  const place = await open(path, pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await chmod(`/proc/self/fd/${String(place.fd)}`, 0o700);
  } finally {
    await place.close();
  }
}
