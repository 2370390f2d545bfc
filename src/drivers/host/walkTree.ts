import { fstatSync, lstat, type Stats } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createDescent, type Descent } from './descent.js';
import { eachAtOnce } from './eachAtOnce.js';
import { eachBranch } from './eachBranch.js';
import { entriesOf } from './entriesOf.js';
import { type HeldFolder, holdWithin } from './heldFolder.js';
import { namedError } from './namedError.js';
import { createSlots } from './slots.js';
import { walks } from './walks.js';

/** What lies in a folder, a link or a file or whatever it is; `path` is relative to the folder. */
export type Entry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly size: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'something else'; readonly path: string };

/** Where an entry is reached while the walk is there: not by its path, which may be longer than a path can be. */
export interface Visit {
  /** Each entry but directories, some at a time. @param reached - by what path it is reached */
  readonly other?: (entry: Entry, reached: Buffer) => Promise<unknown>;
  /** A directory, before what is in it. @param reached - it is held open */
  readonly enter?: (entry: Entry, reached: HeldFolder) => Promise<unknown>;
  /** A directory, after all that is in it. */
  readonly leave?: (entry: Entry, reached: HeldFolder) => Promise<unknown>;
}

/**
 * Lists all that lies in a folder and below it, in no order. Links are not followed,
 * whatever a program puts in the place of what meanwhile; elsewhere than on Linux as far as it does not.
 */
export const walkTree = (
  folder: string,
  visit: Visit = {},
  platform: NodeJS.Platform = process.platform,
): Promise<readonly Entry[]> =>
  walks.run(async () => {
    const entries: Entry[] = [];
    const way = createDescent(await holdWithin(folder, platform), platform);
    try {
      await within({ visit, entries }, way, '');
    } finally {
      way.close();
    }
    return entries;
  });

// That of `node:fs/promises` takes twice the time of the event loop.
const lookAt: (path: Buffer) => Promise<Stats> = promisify(lstat);

/** They hold no descriptors. */
const visitsAtOnce = 64;
const visits = createSlots(visitsAtOnce);

/** A walk that goes on. */
interface Walk {
  readonly visit: Visit;
  readonly entries: Entry[];
}

async function within(walk: Walk, way: Descent, parent: string): Promise<void> {
  const { folder } = way;
  const found = await entriesOf(folder, Infinity);
  const pathOf = (name: Buffer): string => (parent === '' ? '' : `${parent}/`) + name.toString();

  const others = found.filter((entry) => !entry.isDirectory());
  const lookAtOthers = (): Promise<void> =>
    eachAtOnce(others, visits, visitsAtOnce, async ({ name }) => {
      const path = pathOf(name);
      try {
        const entry = await look(folder.within(name), path);
        walk.entries.push(entry);
        await walk.visit.other?.(entry, folder.within(name));
      } catch (error) {
        throw namedError(error, path);
      }
    });

  const directories = found.filter((entry) => entry.isDirectory());
  await eachBranch(
    way,
    directories,
    async (branch, { name }) => {
      const path = pathOf(name);
      await branch.down(name).catch((error: unknown) => {
        throw namedError(error, path);
      });
      const entry: Entry = { kind: 'directory', path, mode: fstatSync(branch.folder.fd).mode & modeBits };
      walk.entries.push(entry);
      await walk.visit.enter?.(entry, branch.folder);
      await within(walk, branch, path);
      await walk.visit.leave?.(entry, branch.folder);
      await branch.up();
    },
    lookAtOthers,
  );
}

const modeBits = 0o7777;

async function look(reached: Buffer, path: string): Promise<Entry> {
  const found = await lookAt(reached);
  const mode = found.mode & modeBits;
  if (found.isDirectory()) return { kind: 'directory', path, mode };
  if (found.isFile()) return { kind: 'file', path, mode, size: found.size };
  if (found.isSymbolicLink()) return { kind: 'link', path, target: await readlink(reached, 'utf8') };
  return { kind: 'something else', path };
}
