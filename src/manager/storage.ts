import { createId } from '@paralleldrive/cuid2';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { concat, defer, EMPTY, ignoreElements, lastValueFrom } from 'rxjs';
import { found } from '../codecs/decode.js';
import { id as idCodec } from '../codecs/id.js';
import { type Driver, ownMark } from '../drivers/driver.js';
import { InvalidRequest, isInstanceError, StoreFailed } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { createMemorySecrets } from '../store/memorySecrets.js';
import { createSecretFiles } from '../store/secretFiles.js';
import type { SecretStore } from '../store/secretStore.js';
import { defaultRetention } from '../store/logSpan.js';
import { createMemoryStore } from '../store/memoryStore.js';
import { pathsIn } from '../store/dataDirPaths.js';
import { openDataDir } from '../store/openDataDir.js';
import type { DamagedRecord, StoredState, Store } from '../store/store.js';
import type { Logger } from '../instances/logger.js';
import type { ManagerOptions } from './options.js';
import { isMarked, ownerlessIn } from './ownerless.js';
import {
  canLeave,
  claimTemporaryFolder,
  leaveTemporaryFolder,
  sweepTemporaryFolders,
  temporaryFolder,
} from './temporaryFolder.js';

/** How much a log keeps that is in memory only, unless it is told: some 4 MB, of specs of a usual size. */
const inMemory = { maxEvents: 10_000, maxBytes: 32 * 2 ** 20 };

/** Where a manager keeps everything. */
export interface Storage {
  readonly store: Store;
  readonly secrets: SecretStore;
  readonly kept: StoredState;
  /** Folder in which all of it lies, the store excepted when it is the application's. */
  readonly folder: string;
  /** Folder in which each instance has its home. */
  readonly homes: string;
  /** Folder in which drivers make ahead what belongs into homes. */
  readonly pool: string;
  /** Names of homes that no instance has. */
  readonly ownerless: readonly string[];
  /** Folder in which each snapshot has a folder of its own. */
  readonly snapshots: string;
  /** Whether instances and their homes are there for the next manager. */
  readonly isDurable: boolean;
  /** Keeps what lies there from those who sweep, once this manager has gone. */
  leave(): Promise<void>;
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
  const { beginAnew = false } = options;
  const { logMaxEvents, logMaxAgeMs, logMaxBytes } = options.config?.storage ?? {};
  const defaults = dataDir === undefined ? { ...defaultRetention, ...inMemory } : defaultRetention;
  const retention = {
    maxEvents: logMaxEvents ?? defaults.maxEvents,
    maxAgeMs: logMaxAgeMs ?? defaults.maxAgeMs,
    maxBytes: logMaxBytes ?? defaults.maxBytes,
  };
  const folder = dataDir ?? temporaryFolder(createId());
  const { homes, pool, snapshots, secrets: secretsFolder } = pathsIn(folder);
  const released = new Set<string>();
  let isAnother = false as boolean;
  const letGoBut = async (owners: ReadonlySet<string>): Promise<void> => {
    for (const each of [homes, snapshots]) {
      for (const path of await letGo(each, owners, logger)) released.add(path);
    }
  };
  const store =
    dataDir === undefined
      ? (options.store ?? createMemoryStore(now, retention))
      : await openDataDir(dataDir, {
          ...{ retention, now, onDamaged },
          onCopy: (copied) => {
            isAnother = true;
            return letGoBut(ownersOf(copied));
          },
          ...(beginAnew && {
            beginAnew: () => {
              isAnother = true;
              return letGoBut(new Set());
            },
          }),
        });
  try {
    const kept = await lastValueFrom(store.load());
    kept.damaged.forEach(onDamaged);
    checkIds(kept);
    checkDrivers(kept, drivers);
    const isDurable = dataDir !== undefined;
    const secrets = isDurable ? createSecretFiles(secretsFolder) : createMemorySecrets();
    // What another store has, or a record that can't be understood, may come back.
    if (!isAnother && kept.damaged.length === 0) await secrets.retain(versionsIn(kept));
    if (isDurable) await lookAtSnapshots(snapshots, kept, drivers, logger, released);
    const ownerless = isDurable ? await ownerlessIn(homes, ownersOf(kept), logger, released) : [];
    const held = isDurable || !canLeave(drivers) ? store : await swept(folder, store, drivers, now, logger);
    const leave = (): Promise<void> => (isDurable ? Promise.resolve() : leaveTemporaryFolder(folder));
    return { store: held, secrets, kept, folder, homes, pool, ownerless, snapshots, isDurable, leave };
  } catch (error) {
    await lastValueFrom(store.close(), { defaultValue: undefined });
    if (isInstanceError(error) || dataDir === undefined) throw error;
    throw new StoreFailed(
      { reason: `cannot open the data directory ${dataDir}: ${messageOf(error)}` },
      { cause: error },
    );
  }
}

/** Removes what others have left, and has what this one may leave removed by the next: until the store is closed it is held. */
async function swept(
  folder: string,
  store: Store,
  drivers: ReadonlyMap<string, Driver>,
  now: () => number,
  logger: Logger,
): Promise<Store> {
  await sweepTemporaryFolders(drivers, now, logger);
  try {
    const lock = await claimTemporaryFolder(folder, drivers, now);
    const release$ = defer(() => lock.release()).pipe(ignoreElements());
    return { ...store, close: () => concat(store.close(), release$) };
  } catch (error) {
    logger.warn({ folder, err: error }, 'what this manager leaves if it is not closed stays');
    return store;
  }
}

const versionsIn = ({ instances, snapshots }: StoredState): ReadonlySet<string> =>
  new Set([...instances, ...snapshots].flatMap(({ spec: { secrets } }) => secrets?.version ?? []));

/** Whose records are there, or were set aside and may come back. */
const ownersOf = ({
  instances,
  snapshots,
  damaged,
}: Pick<StoredState, 'instances' | 'snapshots' | 'damaged'>): ReadonlySet<string> =>
  new Set([
    ...[...instances, ...snapshots].map(({ id }) => id),
    ...damaged.map(({ key }) => key.replace(/^.*\//, '')),
  ]);

/**
 * Removes folders of snapshots whose record was never kept, or is gone. Of which driver a folder is, only its record told; so each
 * is asked. Of a record whose folder is gone it is told: the folder may be brought back.
 */
async function lookAtSnapshots(
  folder: string,
  kept: StoredState,
  drivers: ReadonlyMap<string, Driver>,
  logger: Logger,
  told: ReadonlySet<string>,
): Promise<void> {
  const there = new Set(await readdir(folder));
  const snapshotIds = kept.snapshots.map(({ id }) => id).filter((id) => !there.has(id));
  if (snapshotIds.length > 0) logger.warn({ snapshotIds }, 'the files of snapshots that are kept are gone');
  for (const id of await ownerlessIn(folder, ownersOf(kept), logger, told)) {
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

/**
 * Takes our mark from all that lies in a folder and has no owner, so that nothing of it is ever removed as ours: it was made with
 * another store, or with this one at a later time. Resolves with the paths, of which it is told.
 */
async function letGo(
  folder: string,
  owners: ReadonlySet<string>,
  logger: Logger,
): Promise<readonly string[]> {
  const released: string[] = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (owners.has(name) || !(await isMarked(path))) continue;
    await rm(join(path, ownMark));
    logger.warn({ path }, 'left alone: its store is gone, and this is another, or a copy from before');
    released.push(path);
  }
  return released;
}

/** Paths are made of them, also of those that a store of the application's holds. */
function checkIds({ instances, snapshots }: StoredState): void {
  const wrong = [...instances, ...snapshots].find(({ id }) => !idCodec.is(id));
  if (wrong === undefined) return;
  throw new StoreFailed({
    reason: `it holds a record with a wrong id: found ${found(wrong.id)}, expected ${idCodec.name}`,
  });
}

/** Without its driver nothing can be done with an instance, nor with a snapshot. */
function checkDrivers({ instances, snapshots }: StoredState, drivers: ReadonlyMap<string, Driver>): void {
  const kinds = [...instances, ...snapshots].map(({ spec }) => spec.driver);
  const lacking = new Set(kinds.filter((kind) => !drivers.has(kind)));
  if (lacking.size === 0) return;
  const expected = `also ${[...lacking].join(', ')}, of which instances or snapshots are kept`;
  throw new InvalidRequest({
    faults: [{ path: 'drivers', found: [...drivers.keys()].join(', '), expected }],
  });
}
