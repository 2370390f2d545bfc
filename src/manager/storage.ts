import { createId, isCuid } from '@paralleldrive/cuid2';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { concat, EMPTY, lastValueFrom } from 'rxjs';
import { found } from '../codecs/decode.js';
import { id as idCodec } from '../codecs/id.js';
import type { Driver } from '../drivers/driver.js';
import { InvalidRequest, StoreFailed } from '../lifecycle/errors.js';
import { defaultRetention } from '../store/logSpan.js';
import { createMemoryStore } from '../store/memoryStore.js';
import { homesIn, openDataDir, snapshotsIn } from '../store/openDataDir.js';
import type { DamagedRecord, Kept, Store } from '../store/store.js';
import type { Logger } from './logger.js';
import type { ManagerOptions } from './options.js';

/** How many events a log keeps that is in memory only, unless it is told; some 4 MB. */
const mostInMemory = 10_000;

/** Where a manager keeps everything. */
export interface Storage {
  readonly store: Store;
  readonly kept: Kept;
  /** Folder in which all of it lies, the store excepted when it is the application's. */
  readonly folder: string;
  /** Folder in which each instance has its home. */
  readonly homes: string;
  /** Names of homes that no instance has. */
  readonly ownerless: readonly string[];
  /** Folder in which each snapshot has a folder of its own. */
  readonly snapshots: string;
  /** Whether instances and their homes are there for the next manager. */
  readonly isDurable: boolean;
}

/** Opens the data directory, or what stands for it while the manager lives, and reads what is kept. */
export async function openStorage(
  options: ManagerOptions,
  drivers: ReadonlyMap<string, Driver>,
  now: () => number,
  logger: Logger,
): Promise<Storage> {
  const onDamaged = ({ key, faults }: DamagedRecord): void => {
    logger.warn({ key, faults }, 'a record cannot be understood and is set aside');
  };
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
  const { logMaxEvents: maxEvents, logMaxAgeMs: maxAgeMs } = options.config?.storage ?? {};
  const retention = {
    maxEvents: maxEvents ?? (dataDir === undefined ? mostInMemory : defaultRetention.maxEvents),
    maxAgeMs: maxAgeMs ?? defaultRetention.maxAgeMs,
  };
  const store =
    dataDir === undefined
      ? (options.store ?? createMemoryStore(now, retention))
      : await openDataDir(dataDir, { retention, now, onDamaged });
  try {
    const kept = await lastValueFrom(store.load());
    kept.damaged.forEach(onDamaged);
    checkIds(kept);
    checkDrivers(kept, drivers);
    if (dataDir !== undefined) await lookAtSnapshots(snapshotsIn(dataDir), kept, drivers, logger);
    const folder = dataDir ?? join(tmpdir(), `rx-instances-${createId()}`);
    const [homes, snapshots] = [homesIn(folder), snapshotsIn(folder)];
    const isDurable = dataDir !== undefined;
    const ownerless = isDurable ? await ownerlessIn(homes, kept) : [];
    return { store, kept, folder, homes, ownerless, snapshots, isDurable };
  } catch (error) {
    await lastValueFrom(store.close(), { defaultValue: undefined });
    throw error;
  }
}

/**
 * The homes of instances that were never written down, or are no more. What does not bear the name of an instance is not
 * ours, and an instance whose record was set aside may come back.
 */
async function ownerlessIn(homes: string, { instances, damaged }: Kept): Promise<readonly string[]> {
  const owners = new Set([
    ...instances.map(({ id }) => id),
    ...damaged.map(({ key }) => key.replace(/^.*\//, '')),
  ]);
  const entries = await readdir(homes, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && isCuid(entry.name) && !owners.has(entry.name))
    .map(({ name }) => name);
}

/**
 * Removes folders of snapshots whose record was never kept, or is gone. One whose record cannot be understood stays: a newer
 * program may understand it. Of which driver a folder is, only its record told; so each is asked. Of a record whose folder is
 * gone it is told: the folder may be brought back.
 */
async function lookAtSnapshots(
  folder: string,
  { snapshots, damaged }: Kept,
  drivers: ReadonlyMap<string, Driver>,
  logger: Logger,
): Promise<void> {
  const there = new Set(await readdir(folder));
  const snapshotIds = snapshots.map(({ id }) => id).filter((id) => !there.delete(id));
  if (snapshotIds.length > 0) logger.warn({ snapshotIds }, 'the files of snapshots that are kept are gone');
  for (const id of there) {
    if (damaged.some(({ key }) => key.includes(id))) continue;
    const discards = [...drivers.values()].map(
      (driver) => driver.snapshots?.discard(join(folder, id)) ?? EMPTY,
    );
    await lastValueFrom(concat(...discards), { defaultValue: undefined }).catch((error: unknown) => {
      logger.warn(
        { snapshotId: id, err: error },
        'the files of a snapshot that is not kept could not be removed',
      );
    });
  }
}

/** Paths are made of them, also of those that a store of the application's holds. */
function checkIds({ instances, snapshots }: Kept): void {
  const wrong = [...instances, ...snapshots].find(({ id }) => !idCodec.is(id));
  if (wrong === undefined) return;
  throw new StoreFailed(
    `it holds a record with a wrong id: found ${found(wrong.id)}, expected ${idCodec.name}`,
  );
}

/** Without its driver nothing can be done with an instance, nor with a snapshot. */
function checkDrivers({ instances, snapshots }: Kept, drivers: ReadonlyMap<string, Driver>): void {
  const kinds = [...instances, ...snapshots].map(({ spec }) => spec.driver);
  const lacking = new Set(kinds.filter((kind) => !drivers.has(kind)));
  if (lacking.size === 0) return;
  const expected = `also ${[...lacking].join(', ')}, of which instances or snapshots are kept`;
  throw new InvalidRequest([{ path: 'drivers', found: found([...drivers.keys()]), expected }]);
}
