import { isUtf8 } from 'node:buffer';
import { chmod, closeSync, constants, type Dirent, fstatSync, open, type Stats, utimes } from 'node:fs';
import { lstat, mkdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { attempt } from './attempt.js';
import { codeOf } from './codeOf.js';
import { copyContent } from './copyContent.js';
import { type CopyLimits, type CopyTally, createCopyTally } from './copyTally.js';
import { createDescent, type Descent } from './descent.js';
import { eachAtOnce } from './eachAtOnce.js';
import { eachBranch } from './eachBranch.js';
import { entriesOf } from './entriesOf.js';
import { type HeldFolder, holdFolder, holdWithin } from './heldFolder.js';
import { namedError } from './namedError.js';
import { onDisk } from './onDisk.js';
import { createSlots } from './slots.js';
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
        await copyFolder({ source, tally, isLive, modes, clones: { work: true }, way: pairOf(from, to) }, '');
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

/** How often something is looked at that changes its kind meanwhile. */
const mostLooks = 3;

const gone = 'ENOENT';
const noDirectory = ['ENOTDIR', 'ELOOP'];

// Those of `node:fs/promises` take twice the time of the event loop, for each file anew.
const [openFd, chmodEntry, setTimes] = [promisify(open), promisify(chmod), promisify(utimes)];

/** A copy that goes on. */
interface Copy {
  readonly source: string;
  readonly tally: CopyTally;
  readonly isLive: boolean;
  readonly modes: CopyOptions['modes'];
  /** Whether blocks can be shared, as far as it is known. */
  readonly clones: { work: boolean };
  readonly way: Pair;
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
    () =>
      eachAtOnce(others, copies, copiesAtOnce, (entry) => copyOther(copy, place, entry.name, path, entry)),
  );
  // What is in it was laid by now: its mode may lock it.
  const given = (copy.modes?.get(path) ?? mode) & directoryBits;
  const { path: copied } = copy.way.to.folder;
  await (copy.modes === undefined ? chmodEntry(copied, given) : onDisk(copied, given));
}

/** All but those by which what is made in it gets its group. */
const directoryBits = 0o1777;
const fileBits = 0o777;

async function copyDirectory(copy: Copy, name: Buffer, parent: string): Promise<void> {
  const { from, to } = copy.way;
  const place = placeOf(copy.way);
  try {
    const entered = await attempt(() => from.down(name), copy.isLive ? [gone, ...noDirectory] : []);
    if (entered === gone) return;
    // By now it is something else.
    if (entered !== undefined) {
      await copyOther(copy, place, name, parent);
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

const below = (parent: string, name: Buffer): string =>
  parent === '' ? name.toString() : `${parent}/${name.toString()}`;

const told = ({ source }: Copy, parent: string, name: Buffer): string => join(source, below(parent, name));

/** Copies what is no directory; what has become something else meanwhile is looked at again. */
async function copyOther(
  copy: Copy,
  place: Place,
  name: Buffer,
  parent: string,
  entry?: Dirent<Buffer>,
): Promise<void> {
  const path = place.from.within(name);
  try {
    let found: Dirent<Buffer> | Stats = entry ?? (await lstat(path));
    for (let looks = 1; !(await isCopied(copy, place, name, parent, found)); looks += 1) {
      if (looks === mostLooks) throw new Error(`${told(copy, parent, name)} was changed while it was copied`);
      found = await lstat(path);
    }
  } catch (error) {
    const isGone =
      codeOf(error) === gone && String((error as NodeJS.ErrnoException).path) === path.toString();
    if (copy.isLive && isGone) return;
    throw namedError(error, told(copy, parent, name));
  }
}

/** Whether it was what it was found to be. */
async function isCopied(
  copy: Copy,
  { from, to }: Place,
  name: Buffer,
  parent: string,
  found: Dirent<Buffer> | Stats,
): Promise<boolean> {
  if (found.isSymbolicLink()) {
    let target = Buffer.alloc(0);
    const read = async (): Promise<void> => {
      target = await readlink(from.within(name), { encoding: 'buffer' });
    };
    if ((await attempt(read, ['EINVAL'])) !== undefined) return false;
    if (!isUtf8(target)) {
      throw new Error(`${told(copy, parent, name)} is a link to ${target.toString()}, which is not UTF-8`);
    }
    await symlink(target, to.within(name));
    return true;
  }
  // A directory has been something else; pipes, sockets and devices are left out.
  if (!found.isFile()) return copy.isLive || !found.isDirectory();
  let fd: number | undefined;
  const opened = await attempt(async () => {
    // A pipe would wait for its other end.
    fd = await openFd(from.within(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  }, ['ELOOP', 'ENXIO']);
  if (opened !== undefined || fd === undefined) return false;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return false;
    const path = below(parent, name);
    copy.tally.file(stats.size, path);
    const [reached, target] = [from.opened(name, fd), to.within(name)];
    await copyContent({ fd, path: reached, stats }, target, copy.clones);
    await setTimes(target, stats.atime, stats.mtime);
    const mode = (copy.modes?.get(path) ?? stats.mode) & fileBits;
    await (copy.modes === undefined ? chmodEntry(target, mode) : onDisk(target, mode));
    return true;
  } finally {
    // Nothing of it has to be written: it takes no time.
    closeSync(fd);
  }
}
