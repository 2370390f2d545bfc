import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { StoreFailed } from '../lifecycle/errors.js';
import { checkOwn } from './checkOwn.js';
import { statOf } from './statOf.js';

/**
 * Opens a file of ours to read, or to read and write; then it is made if need be, for the owner only. Neither is a link
 * followed, nor is there a wait for whoever is at the other end of a pipe.
 *
 * @throws {@link StoreFailed} as a rejection, and what the system says
 */
export async function ownFile(path: string, use: 'read' | 'write'): Promise<FileHandle> {
  const there = await statOf(path);
  if (there !== undefined) checkOwn(path, there, 'file');
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
  const toWrite = there === undefined ? O_RDWR | O_CREAT | O_EXCL : O_RDWR;
  const file = await open(path, (use === 'read' ? O_RDONLY : toWrite) | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    const stats = await file.stat();
    checkOwn(path, stats, 'file');
    if (use === 'read') return file;
    // What is written would be seen under its other name too.
    if (stats.nlink > 1)
      throw new StoreFailed({ reason: `the file ${path} has ${String(stats.nlink)} names, not one` });
    if ((stats.mode & 0o777) !== 0o600) await file.chmod(0o600);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
