import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { defer, ignoreElements, lastValueFrom } from 'rxjs';
import { StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { checkDatabase } from './checkDatabase.js';
import { openDatabase } from './database.js';
import { lockDataDir } from './dataDirLock.js';
import { createDurableStore } from './durableStore.js';
import type { EventLogOptions } from './eventLog.js';
import { makeRoom } from './makeRoom.js';
import type { Store } from './store.js';

/** The folder of a data directory in which the homes of instances lie. */
export const homesIn = (dataDir: string): string => join(dataDir, 'instances');

/** The folder of a data directory in which each snapshot has a folder of its own. */
export const snapshotsIn = (dataDir: string): string => join(dataDir, 'snapshots');

/**
 * Opens the store of a data directory and holds the directory until the store is closed. What is missing is made, for the
 * owner only.
 *
 * @throws {@link DataDirLocked} and {@link StoreFailed} as rejections; nothing is held then
 */
export async function openDataDir(dataDir: string, options: EventLogOptions): Promise<Store> {
  try {
    await makePrivate(dataDir);
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
    throw new StoreFailed(`cannot open the data directory ${dataDir}: ${reason}`, { cause: error });
  }
}

async function openStore(dataDir: string, options: EventLogOptions): Promise<Store> {
  const folder = join(dataDir, 'store');
  for (const each of [folder, homesIn(dataDir), snapshotsIn(dataDir)])
    await mkdir(each, { recursive: true, mode: 0o700 });
  const path = join(folder, 'data.mdb');
  await makeRoom(path);
  checkDatabase(path);
  const database = await openDatabase(path);
  try {
    for (const each of [folder, dataDir]) await sync(each);
    return await createDurableStore(database, { ...options, origin: await originOf(path) });
  } catch (error) {
    await database.close();
    throw error;
  }
}

const ours = ['instances', 'lock', 'snapshots', 'store'];

/** A directory that somebody else uses too keeps its mode; what we make in it is private all the same. */
async function makePrivate(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const isShared = (await readdir(dataDir)).some((name) => !ours.includes(name));
  if (!isShared) await chmod(dataDir, 0o700);
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

/** Tells a file from its copies, on this machine and on others. The machine's own name stays secret. */
async function originOf(path: string): Promise<string> {
  const { ino } = await stat(path, { bigint: true });
  const machine = await readFile('/etc/machine-id', 'utf8').catch(() => '');
  return createHash('sha256')
    .update(`rx-instances ${machine} ${String(ino)}`)
    .digest('hex')
    .slice(0, 32);
}

const hasTag = <Tag extends string>(
  error: unknown,
  tag: Tag,
): error is { readonly _tag: Tag; readonly reason: string } =>
  typeof error === 'object' && error !== null && '_tag' in error && error._tag === tag;
