import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { cp, lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Copies a folder to a place where nothing is: links as links, modes and times of files kept, sockets and pipes left out.
 * Names that are not UTF-8 are refused: Node would take them for others.
 */
export const copyTree = (source: string, target: string): Promise<void> =>
  cp(source, target, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    // Blocks are shared where the file system can.
    mode: constants.COPYFILE_FICLONE,
    filter: async (path) => {
      const entry = await lstat(path);
      if (entry.isDirectory()) await checkNames(path);
      if (entry.isSymbolicLink()) await checkTarget(path);
      return entry.isFile() || entry.isDirectory() || entry.isSymbolicLink();
    },
  });

async function checkNames(folder: string): Promise<void> {
  const name = (await readdir(folder, { encoding: 'buffer' })).find((each) => !isUtf8(each));
  if (name !== undefined) throw new Error(`the name of ${join(folder, name.toString())} is not UTF-8`);
}

async function checkTarget(link: string): Promise<void> {
  const target = await readlink(link, { encoding: 'buffer' });
  if (!isUtf8(target)) throw new Error(`${link} is a link to ${target.toString()}, which is not UTF-8`);
}
