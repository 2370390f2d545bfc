import { constants, type Stats } from 'node:fs';
import { copyFile, type FileHandle } from 'node:fs/promises';
import { copyHoles } from './copyHoles.js';

/** An open file. */
export interface OpenFile {
  readonly file: FileHandle;
  readonly path: Buffer;
  readonly stats: Stats;
}

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;

/** Below this a hole is not worth it. */
const holesFromBytes = 1_024 * 1_024;
const blockBytes = 512;

/**
 * Copies a file to where nothing is: blocks are shared where the file system can, and what is empty in it is not written.
 *
 * @param clones - whether blocks can be shared, as far as it is known
 */
export async function copyContent(
  { file, path, stats }: OpenFile,
  target: Buffer,
  clones: { work: boolean },
): Promise<void> {
  const { size, blocks } = stats;
  if (size < holesFromBytes || blocks * blockBytes >= size) {
    return copyFile(path, target, COPYFILE_EXCL | COPYFILE_FICLONE);
  }
  if (clones.work) {
    try {
      await copyFile(path, target, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE);
      return;
    } catch {
      clones.work = false;
    }
  }
  return copyHoles(file, target, size);
}
