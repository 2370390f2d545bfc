import { constants } from 'node:fs';
import { cp, lstat } from 'node:fs/promises';

/** Copies a folder to a place where nothing is: links as links, modes and times of files kept, sockets and pipes left out. */
export const copyTree = (source: string, target: string): Promise<void> =>
  cp(source, target, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    // Blocks are shared where the file system can.
    mode: constants.COPYFILE_FICLONE,
    filter: async (path) => {
      const entry = await lstat(path);
      return entry.isFile() || entry.isDirectory() || entry.isSymbolicLink();
    },
  });
