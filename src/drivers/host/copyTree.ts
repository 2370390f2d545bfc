import { isUtf8 } from 'node:buffer';
import { chmod, type Dirent, fstatSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { attempt } from './attempt.js';
import {
  type CopiedEntry,
  type CopyClones,
  type CopyPlace,
  copyProgram,
  type CopyRefusal,
} from './copyProgram.js';
import { copySteps } from './copySteps.js';
import { type CopyLimits, type CopyTally, createCopyTally } from './copyTally.js';
import { type CopyThreads, threadsAtOnce, useCopyThreads } from './copyThreads.js';
import { createDescent, type Descent } from './descent.js';
import { eachAtOnce } from './eachAtOnce.js';
import { eachBranch } from './eachBranch.js';
import { entriesOf } from './entriesOf.js';
import { type HeldFolder, holdFolder, holdWithin } from './heldFolder.js';
import { namedError } from './namedError.js';
import { onDisk } from './onDisk.js';
import { createSlots } from './slots.js';
import { createTreeSync, type TreeSync } from './treeSync.js';
import { walks } from './walks.js';

/** How a tree is copied. */
export interface CopyOptions {
  /** How much of it there may be. @defaultValue any */
  readonly limits?: CopyLimits;
  /**
   * Whether somebody may change it meanwhile: what is gone when its turn comes is passed over then, else it is a failure.
   *
   * @defaultValue false
   */
  readonly isLive?: boolean;
  /** Modes by the path in the tree, instead of those found there; all of the copy is on disk then when this resolves. */
  readonly modes?: ReadonlyMap<string, number>;
  readonly platform?: NodeJS.Platform;
}

/**
 * Copies a folder to a place where nothing is: links as links, holes as holes, modes and times of files kept. Pipes, sockets and
 * device nodes are left out, and so are the bits by which a program runs as its owner or group; all of it belongs to whoever copies.
 * Names that are not UTF-8 are refused: what is kept of them elsewhere is text.
 *
 * No link is followed: on Linux whatever a program puts in the place of what meanwhile, elsewhere as far as it does not.
 */
export const copyTree = (source: string, target: string, options: CopyOptions = {}): Promise<void> =>
  walks.run(async () => {
    const { platform = process.platform, limits, isLive = false, modes } = options;
    const from = createDescent(await holdWithin(source, platform), platform);
    try {
      await mkdir(target, { mode: 0o700 });
      const to = createDescent(await holdFolder(target, platform), platform);
      try {
        const tally = createCopyTally(source, limits);
        const sync = modes === undefined ? undefined : createTreeSync(target, platform);
        const work: CopyWork = { others: 0, threads: undefined };
        const way = pairOf(from, to);
        const byFd = platform === 'linux';
        try {
          await copyFolder(
            { source, tally, isLive, modes, sync, byFd, work, clones: { work: true }, way },
            '',
          );
        } finally {
          await work.threads?.close();
        }
        await sync?.end();
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
  });

/** Of all trees together: with fewer a disk waits for the next, with more there is no gain, and descriptors run out. */
const copiesAtOnce = 16;
const copies = createSlots(copiesAtOnce);

/** Of a tree with more than so many files the rest is copied by threads, which have to be started first. */
const fewFiles = 256;
/** Entries that a thread is given at a time. */
const batchEntries = 64;
/** Files up to which threads copy by themselves: one of 64 KiB takes them as long as a call of the kernel that does it. */
const smallBytes = 64 * 1_024;

const { copyEntry } = copyProgram();

const gone = 'ENOENT';
const noDirectory = ['ENOTDIR', 'ELOOP'];

// That of `node:fs/promises` takes twice the time of the event loop.
const chmodEntry = promisify(chmod);

/** A copy that goes on. */
interface Copy {
  readonly source: string;
  readonly tally: CopyTally;
  readonly isLive: boolean;
  readonly modes: CopyOptions['modes'];
  /** Puts the copy on disk, if that is asked for. */
  readonly sync: TreeSync | undefined;
  readonly byFd: boolean;
  readonly work: CopyWork;
  readonly clones: CopyClones;
  readonly way: Pair;
}

/** Who copies. */
interface CopyWork {
  /** Entries so far that are no directories. */
  others: number;
  threads: CopyThreads | undefined;
}

/** The same place in both trees. */
interface Pair {
  readonly from: Descent;
  readonly to: Descent;
  branch(): Pair;
  close(): void;
}

const pairOf = (from: Descent, to: Descent): Pair => ({
  from,
  to,
  branch: () => pairOf(from.branch(), to.branch()),
  close: () => {
    from.close();
    to.close();
  },
});

/** Copies what is in the directory where the copy is. */
async function copyFolder(copy: Copy, path: string): Promise<void> {
  const place = placeOf(copy.way);
  const { from } = place;
  const { mode } = fstatSync(from.fd);
  const entries = await entriesOf(from, copy.tally.left() + 1);
  for (const { name } of entries) {
    copy.tally.entry();
    if (!isUtf8(name)) throw new Error(`the name of ${told(copy, path, name)} is not UTF-8`);
  }
  const others = entries.filter((entry) => !entry.isDirectory());
  const directories = entries.filter((entry) => entry.isDirectory());
  await eachBranch(
    copy.way,
    directories,
    (way, { name }) => copyDirectory({ ...copy, way }, name, path),
    () => copyOthers(copy, place, path, others),
  );
  // What is in it was laid by now: its mode may lock it.
  const given = (copy.modes?.get(path) ?? mode) & directoryBits;
  const { path: copied } = copy.way.to.folder;
  const isFlushed = (await copy.sync?.isByItself()) ?? false;
  await (isFlushed ? onDisk(copied, given) : chmodEntry(copied, given));
}

/** All but those by which what is made in it gets its group. */
const directoryBits = 0o1777;

async function copyDirectory(copy: Copy, name: Buffer, parent: string): Promise<void> {
  const { from, to } = copy.way;
  const place = placeOf(copy.way);
  try {
    const entered = await attempt(() => from.down(name), copy.isLive ? [gone, ...noDirectory] : []);
    if (entered === gone) return;
    // By now it is something else.
    if (entered !== undefined) {
      await copyOne(copy, place, parent, await entryOf(copy, parent, name, undefined));
      return;
    }
    await mkdir(place.to.within(name), { mode: 0o700 });
    await to.down(name);
  } catch (error) {
    throw namedError(error, told(copy, parent, name));
  }
  await copyFolder(copy, below(parent, name));
  await Promise.all([from.up(), to.up()]);
}

/** A directory and its copy. */
interface Place {
  readonly from: HeldFolder;
  readonly to: HeldFolder;
}

const placeOf = ({ from, to }: Pair): Place => ({ from: from.folder, to: to.folder });

const below = (parent: string, name: Buffer | string): string =>
  parent === '' ? name.toString() : `${parent}/${name.toString()}`;

const told = ({ source }: Copy, parent: string, name: Buffer | string): string =>
  join(source, below(parent, name));

/** Copies what is no directory. */
async function copyOthers(
  copy: Copy,
  place: Place,
  parent: string,
  found: readonly Dirent<Buffer>[],
): Promise<void> {
  const { work } = copy;
  work.others += found.length;
  const entries = await Promise.all(found.map((entry) => entryOf(copy, parent, entry.name, kindOf(entry))));
  if (work.others <= fewFiles) {
    return eachAtOnce(entries, copies, copiesAtOnce, (entry) => copyOne(copy, place, parent, entry));
  }
  const threads = (work.threads ??= useCopyThreads());
  await eachAtOnce(batchesOf(entries), batches, threadsAtOnce, (batch) =>
    copyBatch(copy, threads, place, parent, batch),
  );
}

/** As many as all walks can ask for at a time: they wait for a thread. */
const batches = createSlots(Infinity);

const batchesOf = (entries: readonly CopiedEntry[]): readonly (readonly CopiedEntry[])[] =>
  Array.from({ length: Math.ceil(entries.length / batchEntries) }, (_, index) =>
    entries.slice(index * batchEntries, (index + 1) * batchEntries),
  );

async function entryOf(
  copy: Copy,
  parent: string,
  name: Buffer,
  kind: CopiedEntry['kind'],
): Promise<CopiedEntry> {
  const mode = copy.modes?.get(below(parent, name));
  const isFlushed = kind !== 'link' && kind !== 'other' && ((await copy.sync?.isByItself()) ?? false);
  return { name: name.toString(), kind, mode, isFlushed };
}

const kindOf = (entry: Dirent<Buffer>): CopiedEntry['kind'] => {
  if (entry.isSymbolicLink()) return 'link';
  return entry.isFile() ? 'file' : 'other';
};

const copyPlaceOf = (copy: Copy, { from, to }: Place, small: number): CopyPlace => ({
  from: from.path,
  to: to.path,
  byFd: copy.byFd,
  isLive: copy.isLive,
  bytes: copy.tally.bytes,
  maxBytes: copy.tally.maxBytes,
  smallBytes: small,
});

/** Copies an entry in Node's pool of threads, where each call costs more than what it does: not even small files are read here. */
async function copyOne(copy: Copy, place: Place, parent: string, entry: CopiedEntry): Promise<void> {
  let refusal: CopyRefusal | undefined;
  try {
    refusal = await copySteps(copyEntry(copyPlaceOf(copy, place, -1), entry, copy.clones));
  } catch (error) {
    throw namedError(error, told(copy, parent, entry.name));
  }
  if (refusal !== undefined) throw refused(copy, parent, entry, refusal);
}

async function copyBatch(
  copy: Copy,
  threads: CopyThreads,
  place: Place,
  parent: string,
  entries: readonly CopiedEntry[],
): Promise<void> {
  const done = await threads.copy({
    place: copyPlaceOf(copy, place, smallBytes),
    entries,
    clones: copy.clones,
  });
  if (done === undefined) {
    return eachAtOnce(entries, copies, copiesAtOnce, (entry) => copyOne(copy, place, parent, entry));
  }
  if (!done.clones.work) copy.clones.work = false;
  const entry = entries[done.failed?.index ?? -1];
  if (done.failed === undefined || entry === undefined) return;
  const { why } = done.failed;
  if (why.kind !== 'error') throw refused(copy, parent, entry, why);
  const error = Object.assign(new Error(why.fields.message), why.fields);
  throw namedError(error, told(copy, parent, entry.name)) as Error;
}

function refused(copy: Copy, parent: string, entry: CopiedEntry, refusal: CopyRefusal): Error {
  const path = told(copy, parent, entry.name);
  switch (refusal.kind) {
    case 'changed':
      return new Error(`${path} was changed while it was copied`);
    case 'too much':
      return copy.tally.tooMuch(refusal.bytes, refusal.all, below(parent, entry.name));
    case 'bad link':
      return new Error(`${path} is a link to ${refusal.target}, which is not UTF-8`);
  }
}
