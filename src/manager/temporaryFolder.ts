import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { lstat, mkdir, open, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { concat, defer, EMPTY, from, lastValueFrom, mergeMap } from 'rxjs';
import { id } from '../codecs/id.js';
import { type Driver, ownMark } from '../drivers/driver.js';
import { StoreFailed } from '../lifecycle/errors.js';
import { type DataDirLock, lockDataDir } from '../store/dataDirLock.js';
import { pathsIn } from '../store/dataDirPaths.js';
import type { Logger } from '../instances/logger.js';
import { isMarked } from './ownerless.js';

/** How the folder of a manager without a data directory is called, before an id. */
const prefix = 'rx-instances-';
/** Whoever does not answer within this time lives. */
const answerMs = 200;
const foldersAtATime = 16;
/** A mark is a list of names; what is longer is none. */
const longestMark = 4_096;

type Drivers = ReadonlyMap<string, Driver>;

/** Where the homes of a manager lie that keeps nothing: a path that holds for who works elsewhere too, as an instance does. */
export const temporaryFolder = (managerId: string, root = tmpdir()): string =>
  resolve(root, `${prefix}${managerId}`);

/** Whether one of these drivers leaves files behind where this process ends. */
export const canLeave = (drivers: Drivers): boolean =>
  [...drivers.values()].some(({ leavesFiles }) => leavesFiles === true);

/**
 * Makes a folder that the next manager sweeps if this process ends without more ado: it bears our mark, in which the kinds of
 * drivers stand, and is locked for as long as this process lives. The mark comes last, so that nobody finds one without a lock.
 */
export async function claimTemporaryFolder(
  folder: string,
  drivers: Drivers,
  now: () => number,
): Promise<DataDirLock> {
  await mkdir(folder, { mode: 0o700 });
  const lock = await lockDataDir(folder, now);
  const mark = await open(join(folder, ownMark), 'wx', 0o600);
  await mark.writeFile(JSON.stringify([...drivers.keys()])).finally(() => mark.close());
  return lock;
}

/** Takes the mark away: what runs there is meant to stay. */
export const leaveTemporaryFolder = (folder: string): Promise<void> =>
  rm(join(folder, ownMark), { force: true });

/**
 * Removes the folders of managers that have ended without `close`, with all that still runs there. Only those that bear our
 * mark, are this user's alone, were used with drivers of which each is at hand, and whose lock the kernel has taken back.
 *
 * @throws {@link StoreFailed} as a rejection, where there is no folder for temporary files: nobody would remove one that is made
 */
export async function sweepTemporaryFolders(
  drivers: Drivers,
  now: () => number,
  logger: Logger,
  root = tmpdir(),
): Promise<void> {
  const names = await readdir(root).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new StoreFailed({ reason: noRoot(root) }, { cause: error });
    return [];
  });
  const managerIds = names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => id.is(name));
  const sweep = async (managerId: string): Promise<void> => {
    const folder = temporaryFolder(managerId, root);
    try {
      await sweepFolder(folder, drivers, now);
    } catch (error) {
      logger.warn({ folder, err: error }, 'what a manager has left that has ended could not be removed');
    }
  };
  await lastValueFrom(from(managerIds).pipe(mergeMap(sweep, foldersAtATime)), { defaultValue: undefined });
}

const noRoot = (root: string): string =>
  `there is no directory for temporary files: TMPDIR is ${root}; make it, or let TMPDIR name another, or open with a data directory (dataDir)`;

async function sweepFolder(folder: string, drivers: Drivers, now: () => number): Promise<void> {
  if (!(await isLeft(folder, drivers))) return;
  // Whoever holds it lives, or sweeps it.
  const lock = await lockDataDir(folder, now, answerMs).catch(() => undefined);
  if (lock === undefined) return;
  try {
    if (!(await isLeft(folder, drivers))) {
      // Somebody else has swept it, and the lock made it anew.
      await rm(pathsIn(folder).lock, { recursive: true, force: true });
      await rmdir(folder).catch(() => undefined);
      return;
    }
    const { homes, snapshots } = pathsIn(folder);
    const all = [...drivers.values()];
    const steps = [
      ...(await namesIn(homes)).flatMap((home) => [
        ...all.map(({ reclaim }) => reclaim?.(home) ?? EMPTY),
        ...all.map((driver) => defer(() => driver.discard(home))),
      ]),
      ...(await namesIn(snapshots)).flatMap((snapshot) =>
        all.map((driver) => driver.snapshots?.discard(snapshot) ?? EMPTY),
      ),
    ];
    await lastValueFrom(concat(...steps), { defaultValue: undefined });
    // The mark last: a sweep that is cut off is gone on with.
    for (const each of [homes, snapshots]) await rm(each, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  } finally {
    await lock.release();
  }
}

const namesIn = async (folder: string): Promise<readonly string[]> => {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => id.is(name)).map((name) => join(folder, name));
};

/** Whether a folder bears a mark of ours, nobody else has a way into it, and all drivers of its homes are at hand. */
async function isLeft(folder: string, drivers: Drivers): Promise<boolean> {
  if (!(await isMarked(folder))) return false;
  const [{ mode }, mark] = [await lstat(folder), await lstat(join(folder, ownMark))];
  if ((mode & 0o077) !== 0 || mark.size > longestMark) return false;
  const kinds = kindsIn(await readFile(join(folder, ownMark), 'utf8'));
  return kinds?.every((kind) => drivers.has(kind)) === true;
}

function kindsIn(mark: string): readonly string[] | undefined {
  try {
    const decoded = t.readonlyArray(t.string).decode(JSON.parse(mark));
    return E.isRight(decoded) ? decoded.right : undefined;
  } catch {
    return undefined;
  }
}
