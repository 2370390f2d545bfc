import { createId, isCuid } from '@paralleldrive/cuid2';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { found } from '../codecs/decode.js';
import type { Driver } from '../drivers/driver.js';
import { InvalidRequest } from '../lifecycle/errors.js';
import { defaultRetention } from '../store/logSpan.js';
import { createMemoryStore } from '../store/memoryStore.js';
import { homesIn, openDataDir } from '../store/openDataDir.js';
import type { DamagedRecord, Kept, Store } from '../store/store.js';
import type { Logger } from './logger.js';
import type { ManagerOptions } from './options.js';

/** Where a manager keeps everything. */
export interface Storage {
  readonly store: Store;
  readonly kept: Kept;
  /** Folder in which each instance has its home. */
  readonly homes: string;
  /** Names of homes that no instance has. */
  readonly ownerless: readonly string[];
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
    maxEvents: maxEvents ?? defaultRetention.maxEvents,
    maxAgeMs: maxAgeMs ?? defaultRetention.maxAgeMs,
  };
  const store =
    dataDir === undefined
      ? (options.store ?? createMemoryStore(now, retention))
      : await openDataDir(dataDir, { retention, now, onDamaged });
  try {
    const kept = await lastValueFrom(store.load());
    kept.damaged.forEach(onDamaged);
    checkDrivers(kept, drivers);
    const homes = dataDir === undefined ? join(tmpdir(), `rx-instances-${createId()}`) : homesIn(dataDir);
    const isDurable = dataDir !== undefined;
    return { store, kept, homes, ownerless: isDurable ? await ownerlessIn(homes, kept) : [], isDurable };
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

/** Without its driver nothing can be done with an instance. */
function checkDrivers({ instances }: Kept, drivers: ReadonlyMap<string, Driver>): void {
  const lacking = new Set(instances.map(({ spec }) => spec.driver).filter((kind) => !drivers.has(kind)));
  if (lacking.size === 0) return;
  const expected = `also ${[...lacking].join(', ')}, of which instances are kept`;
  throw new InvalidRequest([{ path: 'drivers', found: found([...drivers.keys()]), expected }]);
}
