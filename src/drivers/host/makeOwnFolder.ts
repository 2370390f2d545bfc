import { closeSync, linkSync, lstatSync, open } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ownMark } from '../driver.js';
import { codeOf } from './codeOf.js';

/**
 * Makes a folder that is known as ours, readable by nobody else; one that is there already is somebody's, and a failure. Its mark is one
 * more name of that in the folder `like`, where there is one: a name takes some 20 µs, a new file up to 1 ms on ext4.
 */
export async function makeOwnFolder(path: string, like?: string): Promise<void> {
  const make = (): Promise<void> => mkdir(path, { mode: 0o700 });
  await make().catch(async (error: unknown) => {
    // Only the first of all has to make the folder in which they lie.
    if (codeOf(error) !== 'ENOENT') throw error;
    await makeFolders(dirname(path));
    await make();
  });
  if (like !== undefined && isLinked(join(like, ownMark), join(path, ownMark))) return;
  // To close what is empty takes no time.
  closeSync(await openFile(join(path, ownMark), 'wx', 0o600));
}

/** A mark holds nothing, so that it can have any number of names; a file system allows some. */
function isLinked(mark: string, as: string): boolean {
  try {
    if (lstatSync(mark, { throwIfNoEntry: false })?.isFile() !== true) return false;
    linkSync(mark, as);
    return true;
  } catch {
    return false;
  }
}

/** One after another: Node's own way of it (`recursive`) may never answer. */
async function makeFolders(path: string): Promise<void> {
  const make = (): Promise<void> =>
    mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  await make().catch(async (error: unknown) => {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await make();
  });
}

const openFile = promisify(open);
