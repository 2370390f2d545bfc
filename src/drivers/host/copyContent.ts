import { constants, copyFile, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { copyHoles } from './copyHoles.js';

/** An open file. */
export interface OpenFile {
  readonly fd: number;
  readonly path: Buffer;
  readonly stats: Stats;
}

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;

// That of `node:fs/promises` takes twice the time of the event loop.
const copyEntry = promisify(copyFile);

/** Below this a hole is not worth it. */
const holesFromBytes = 1_024 * 1_024;
const blockBytes = 512;

/**
 * Copies a file to where nothing is: blocks are shared where the file system can, and what is empty in it is not written.
 *
 * @param clones - whether blocks can be shared, as far as it is known
 */
export async function copyContent(
  { fd, path, stats }: OpenFile,
  target: Buffer,
  clones: { work: boolean },
): Promise<void> {
  const { size, blocks } = stats;
  if (size < holesFromBytes || blocks * blockBytes >= size) {
    return copyEntry(path, target, COPYFILE_EXCL | COPYFILE_FICLONE);
  }
  if (clones.work) {
    try {
      await copyEntry(path, target, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE);
      return;
    } catch {
      clones.work = false;
    }
  }
  return copyHoles(fd, target, size);
}
