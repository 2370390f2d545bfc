import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { walkTree } from '../host/walkTree.js';

/**
 * Remembers what folders looked like that were read and found sound, so that they need not be read again as long as nobody has
 * changed a file. Of that the kernel keeps the time, which nobody can set back, other than that of a write. But it is another
 * too whenever a file gets or loses a name, as those do all the time that many machines share: what does that has to be done
 * {@link SoundFolders.naming}.
 */
export interface SoundFolders {
  /** Remembers how a folder looks now, under the hash of its content. */
  note(folder: string, hash: string): Promise<void>;
  isSound(folder: string, hash: string): Promise<boolean>;
  forget(folder: string): void;
  /** Does work that gives names to the files of a folder, or takes them away, and writes to none of them. */
  naming<T>(folder: string, work: () => Promise<T>): Promise<T>;
}

interface Looks {
  readonly path: string;
  readonly inode: string;
  readonly mode: bigint;
  readonly size: bigint;
  readonly modifiedNs: bigint;
  changedNs: bigint;
  /** How many works are going on that change the time of the last change. */
  works: number;
}

/** Creates {@link SoundFolders}, of which none is known yet. */
export function createSoundFolders(): SoundFolders {
  const known = new Map<string, { readonly hash: string; readonly looks: readonly Looks[] }>();
  const byInode = new Map<string, Set<Looks>>();

  const forget = (folder: string): void => {
    for (const looks of known.get(folder)?.looks ?? []) {
      const same = byInode.get(looks.inode);
      same?.delete(looks);
      if (same?.size === 0) byInode.delete(looks.inode);
    }
    known.delete(folder);
  };

  const begin = (folder: string): readonly Looks[] =>
    entriesOf(folder).flatMap((path) => {
      const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (now === undefined) return [];
      const same = [...(byInode.get(inodeOf(now)) ?? [])];
      return same.filter((looks) => looks.works > 0 || isSame(looks, looksOf(looks.path, now)));
    });

  const end = (looks: Looks): void => {
    looks.works -= 1;
    const now = lstatSync(looks.path, { bigint: true, throwIfNoEntry: false });
    if (now === undefined) return;
    const { ctimeNs: changedNs } = now;
    if (isSame({ ...looks, changedNs }, looksOf(looks.path, now))) looks.changedNs = changedNs;
  };

  return {
    note: async (folder, hash) => {
      const looks = await allLooks(folder);
      forget(folder);
      known.set(folder, { hash, looks });
      for (const each of looks) byInode.set(each.inode, (byInode.get(each.inode) ?? new Set()).add(each));
    },
    isSound: async (folder, hash) => {
      const was = known.get(folder);
      if (was?.hash !== hash) return false;
      const now = await allLooks(folder).catch(() => undefined);
      return now?.length === was.looks.length && was.looks.every((looks, index) => isSame(looks, now[index]));
    },
    forget,
    naming: async (folder, work) => {
      const looks = begin(folder);
      for (const each of looks) each.works += 1;
      try {
        return await work();
      } finally {
        looks.forEach(end);
      }
    },
  };
}

const inodeOf = ({ dev, ino }: BigIntStats): string => `${String(dev)}:${String(ino)}`;

const looksOf = (path: string, found: BigIntStats): Looks => ({
  path,
  inode: inodeOf(found),
  mode: found.mode,
  size: found.size,
  modifiedNs: found.mtimeNs,
  changedNs: found.ctimeNs,
  works: 0,
});

const isSame = (one: Looks, other: Looks | undefined): boolean =>
  one.path === other?.path &&
  one.inode === other.inode &&
  one.mode === other.mode &&
  one.size === other.size &&
  one.modifiedNs === other.modifiedNs &&
  one.changedNs === other.changedNs;

/** In an order that is the same each time. */
const allLooks = async (folder: string): Promise<readonly Looks[]> => {
  const paths = (await walkTree(folder)).map(({ path }) => join(folder, path)).toSorted();
  return Promise.all(paths.map(async (path) => looksOf(path, await lstat(path, { bigint: true }))));
};

const entriesOf = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
};
