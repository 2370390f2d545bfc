import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { found } from '../codecs/decode.js';
import { StoreFailed } from '../lifecycle/errors.js';
import { checkDatabase } from './checkDatabase.js';
import { checkOwn } from './checkOwn.js';
import { isNameOfLock } from './dataDirLock.js';
import { isUnfinishedMarker, readMarker } from './dataDirMarker.js';
import { markerName, pathsIn } from './dataDirPaths.js';
import { isBlank } from './isBlank.js';
import { ownFile } from './ownFile.js';
import { statOf } from './statOf.js';
import { whatIsLeft } from './whatIsLeft.js';

/** How a folder stands that can be a data directory. */
export interface DataDirStanding {
  /** Whether others keep something in it too. */
  readonly isShared: boolean;
}

/**
 * Checks, and changes nothing, that a folder can be a data directory: it is one of ours, or holds nothing, and all that is ours
 * in it is what it has to be. Without a marker it is one of ours when it has a sound store of ours, as version 0.1.0 made it, or
 * nothing but what an opening leaves that was cut off.
 *
 * @param beginAnew - whether an empty store may be begun beside what is left of another
 * @throws {@link StoreFailed} as a rejection
 */
export async function checkDataDir(dataDir: string, beginAnew: boolean): Promise<DataDirStanding> {
  const { marker, pool, secrets, store, lock, database } = pathsIn(dataDir);
  const stats = await stat(dataDir);
  const hasMarker = (await statOf(marker)) !== undefined;
  // Whoever makes a pool, or keeps secrets, has written the marker before.
  const others = await strangersIn(
    dataDir,
    ({ name }) => isOurs(name) || (hasMarker && [pool, secrets].includes(join(dataDir, name))),
  );
  if (!hasMarker) {
    const within = [await strangersWithin(store, isOfStore), await strangersWithin(lock, isOfLock)];
    await checkRecognisable(dataDir, [...others, ...within.flat()]);
  }

  checkOwn(dataDir, stats, 'folder');
  if (others.length > 0 && (stats.mode & 0o022) !== 0) {
    throw new StoreFailed({ reason: 'it holds what is not ours, and others than its owner may write in it' });
  }
  await readMarker(dataDir);
  await checkParts(dataDir);
  if (!beginAnew && (await hasNoStore(database))) await checkNothingIsLeft(dataDir);
  return { isShared: others.length > 0 };
}

/**
 * Checks that nothing is left beside a store without a record.
 *
 * @throws {@link StoreFailed} as a rejection, which says how to go on
 */
export async function checkNothingIsLeft(dataDir: string): Promise<void> {
  const left = await whatIsLeft(dataDir);
  if (left === undefined) return;
  throw new StoreFailed({
    reason: `store/data.mdb is missing or holds nothing, and yet there is ${left}; put back a copy of it, or begin anew (beginAnew), which leaves what is there alone`,
  });
}

const ours = ['instances', 'lock', 'snapshots', 'store', markerName];
/** It lies in every new file system of Linux. */
const nobodys = 'lost+found';
const isOurs = (name: string): boolean => ours.includes(name) || isUnfinishedMarker(name) || name === nobodys;
type IsKnown = (entry: Dirent) => boolean;
const isOfStore: IsKnown = ({ name }) => ['data.mdb', 'data.mdb-lock'].includes(name);
const isOfLock: IsKnown = (entry) => entry.isSocket() && isNameOfLock(entry.name);

async function strangersIn(folder: string, isKnown: IsKnown): Promise<readonly string[]> {
  const stats = await statOf(folder);
  // What is no folder is told when it is looked at.
  if (stats?.isDirectory() !== true) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => !isKnown(entry)).map(({ name }) => name);
}

const strangersWithin = async (folder: string, isKnown: IsKnown): Promise<readonly string[]> =>
  (await strangersIn(folder, isKnown)).map((name) => join(basename(folder), name));

/** Checks that a directory without a marker holds a store of ours, or nothing at all. */
async function checkRecognisable(dataDir: string, strangers: readonly string[]): Promise<void> {
  if (strangers.length === 0) {
    if (await hasNoOtherStore(dataDir)) return;
    throw new StoreFailed({
      reason: 'it is no data directory, and not empty: its store/data.mdb is of somebody else',
    });
  }
  const isKnown = await hasOurStore(dataDir).catch(() => false);
  if (!isKnown) {
    throw new StoreFailed({ reason: `it is no data directory, and not empty: it holds ${shown(strangers)}` });
  }
}

const mostShown = 5;

function shown(names: readonly string[]): string {
  const some = names.slice(0, mostShown).map((name) => found(name));
  return names.length > mostShown ? `${some.join(', ')} and more` : some.join(', ');
}

async function hasOurStore(dataDir: string): Promise<boolean> {
  const { database } = pathsIn(dataDir);
  await checkParts(dataDir);
  return !(await hasNoStore(database)) && (checkDatabase(database)?.hasHeader ?? true);
}

const hasNoOtherStore = async (dataDir: string): Promise<boolean> => {
  const { database } = pathsIn(dataDir);
  await checkParts(dataDir);
  if (await hasNoStore(database)) return true;
  const held = checkDatabase(database);
  return held === undefined || held.hasHeader || held.records === 0;
};

/** Whether there is no file of a database, or one that holds nothing. */
async function hasNoStore(database: string): Promise<boolean> {
  if ((await statOf(database)) === undefined) return true;
  const file = await ownFile(database, 'read');
  try {
    return await isBlank(file);
  } finally {
    await file.close();
  }
}

/** Checks that all that is ours, and there, is a folder or a file, no link, and belongs to whoever opens it. */
async function checkParts(dataDir: string): Promise<void> {
  const { homes, snapshots, secrets, lock, store, database } = pathsIn(dataDir);
  const parts = [
    ...[homes, snapshots, secrets, lock, store].map((path) => [path, 'folder'] as const),
    ...[database, `${database}-lock`].map((path) => [path, 'file'] as const),
  ];
  for (const [path, kind] of parts) {
    const stats = await statOf(path);
    if (stats !== undefined) checkOwn(path, stats, kind);
  }
}
