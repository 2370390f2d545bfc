import { lstat, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { id } from '../codecs/id.js';
import { ownMark, removedSuffix } from '../drivers/driver.js';
import type { Logger } from '../instances/logger.js';

/**
 * The names in a folder that have no owner, and are ours to remove: those of folders that bear our mark, or of which the removal
 * was cut off. An empty folder is what a driver had just made when it was killed, and is removed at once. All else was put there
 * by somebody: it is left alone, and told of, unless it is among the paths that were `told` of before.
 */
export async function ownerlessIn(
  folder: string,
  owners: ReadonlySet<string>,
  logger: Logger,
  told: ReadonlySet<string>,
): Promise<readonly string[]> {
  const ours = new Set<string>();
  const left = new Set<string>();
  for (const entry of await readdir(folder)) {
    const name = entry.endsWith(removedSuffix) ? entry.slice(0, -removedSuffix.length) : entry;
    if (owners.has(name)) continue;
    const path = join(folder, entry);
    if (id.is(name) && (await isMarked(path))) ours.add(name);
    else if (!id.is(name) || !(await isEmptyAndGone(path))) {
      left.add(entry);
      if (!told.has(path))
        logger.warn({ path }, 'of no instance and no snapshot, and without our mark: left alone');
    }
  }
  return [...ours].filter((name) => !left.has(name));
}

/** Whether a folder, which no link leads to, bears our mark; both belong to whoever runs this process. */
export async function isMarked(path: string): Promise<boolean> {
  try {
    const [folder, mark] = [await lstat(path), await lstat(join(path, ownMark))];
    const own = process.geteuid?.() ?? folder.uid;
    return folder.isDirectory() && mark.isFile() && folder.uid === own && mark.uid === own;
  } catch {
    return false;
  }
}

const isEmptyAndGone = (path: string): Promise<boolean> =>
  rmdir(path).then(
    () => true,
    () => false,
  );
