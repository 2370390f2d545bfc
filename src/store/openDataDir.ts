import { createHash } from 'node:crypto';
import { chmod, open, readFile, rmdir, stat } from 'node:fs/promises';
import { defer, ignoreElements, lastValueFrom } from 'rxjs';
import { hasTag, StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { checkDatabase } from './checkDatabase.js';
import { checkDataDir, checkNothingIsLeft } from './checkDataDir.js';
import { openDatabase } from './database.js';
import { lockDataDir } from './dataDirLock.js';
import { completeMarker } from './dataDirMarker.js';
import { pathsIn } from './dataDirPaths.js';
import { createDurableStore, type DurableStoreOptions } from './durableStore.js';
import type { EventLogOptions } from './eventLog.js';
import { makeFolders } from './makeFolders.js';
import { makeRoom } from './makeRoom.js';
import { ownFolder } from './ownFolder.js';
import { statOf } from './statOf.js';
import type { Store } from './store.js';

/** How to open a data directory. */
export interface DataDirOptions extends EventLogOptions, Pick<DurableStoreOptions, 'onCopy'> {
  /**
   * Lets an empty store be begun beside what is left of another; called before it is, and whatever it fails with, opening does.
   *
   * @defaultValue none: opening fails
   */
  readonly beginAnew?: () => Promise<void>;
}

/**
 * Opens the store of a data directory and holds the directory until the store is closed. What is missing is made, for the
 * owner only. A directory that is not ours is not touched, nor is one whose store is gone.
 *
 * @throws {@link DataDirLocked} and {@link StoreFailed} as rejections; nothing is held then
 */
export async function openDataDir(dataDir: string, options: DataDirOptions): Promise<Store> {
  try {
    await checkLink(dataDir);
    await makeDataDir(dataDir);
    const { isShared } = await checkDataDir(dataDir, options.beginAnew !== undefined);
    // A directory that somebody else uses too keeps its mode; what we make in it is private all the same.
    // A driver lets whoever runs as another user through to his home: he sees nothing of what else lies there.
    if (!isShared) await chmod(dataDir, 0o700 | ((await stat(dataDir)).mode & 0o011));
    const lock = await lockDataDir(dataDir, options.now);
    try {
      const store = await openStore(dataDir, options);
      const close = async (): Promise<void> => {
        try {
          await lastValueFrom(store.close(), { defaultValue: undefined });
        } finally {
          await lock.release();
        }
      };
      let closed: Promise<void> | undefined;
      return { ...store, close: () => defer(() => (closed ??= close())).pipe(ignoreElements()) };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    if (hasTag(error, 'DataDirLocked')) throw error;
    const reason = hasTag(error, 'StoreFailed') ? error.reason : messageOf(error);
    throw new StoreFailed(
      { reason: `cannot open the data directory ${dataDir}: ${reason}` },
      { cause: error },
    );
  }
}

/** Makes the directory, unless it is there, and not with a umask that takes its owner's rights from whatever is made in it. */
async function makeDataDir(dataDir: string): Promise<void> {
  if (!(await makeFolders(dataDir)) || ((await stat(dataDir)).mode & 0o700) === 0o700) return;
  await rmdir(dataDir);
  throw new StoreFailed({
    reason: 'the umask of this process takes the rights of its owner from what it makes',
  });
}

/** A link may stand for a data directory; where it leads, its owner decides. */
async function checkLink(path: string): Promise<void> {
  const there = await statOf(path);
  const owners = [0, process.geteuid?.()];
  if (there?.isSymbolicLink() !== true || owners.includes(there.uid)) return;
  throw new StoreFailed({
    reason: `it is a link of user ${String(there.uid)}, who may let it lead anywhere`,
  });
}

async function openStore(dataDir: string, options: DataDirOptions): Promise<Store> {
  const { homes, snapshots, store, database: path } = pathsIn(dataDir);
  for (const each of [store, snapshots]) await ownFolder(each);
  await ownFolder(homes, true);
  await makeRoom(path);
  const held = checkDatabase(path);
  if (held?.records === 0) await (options.beginAnew ?? (() => checkNothingIsLeft(dataDir)))();
  const database = await openDatabase(path);
  try {
    const opened = await createDurableStore(database, {
      ...options,
      ...(held && { logBytes: held.logBytes }),
      ...(await originsOf(path)),
    });
    for (const each of [store, dataDir]) await sync(each);
    // Last: a directory that bears it has a store, or had one.
    await completeMarker(dataDir);
    return opened;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** A file that was made is in its folder for good once the folder is on disk. */
async function sync(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Tells a file from its copies, on this machine and on others: by when it was made, since a file that is removed leaves its inode
 * to the next. The machine's own name stays secret.
 */
async function originsOf(path: string): Promise<Pick<DurableStoreOptions, 'origin' | 'formerOrigin'>> {
  const { ino, birthtimeNs } = await stat(path, { bigint: true });
  const machine = await readFile('/etc/machine-id', 'utf8').catch(() => '');
  const hashOf = (...parts: readonly string[]): string =>
    createHash('sha256')
      .update(['rx-instances', machine, String(ino), ...parts].join(' '))
      .digest('hex')
      .slice(0, 32);
  return { origin: hashOf((await tellsBirth()) ? String(birthtimeNs) : ''), formerOrigin: hashOf() };
}

/** Where the system does not tell when files were made, Node tells when they were changed. */
async function tellsBirth(): Promise<boolean> {
  const { birthtimeNs, ctimeNs } = await stat(process.execPath, { bigint: true });
  return birthtimeNs !== ctimeNs;
}
