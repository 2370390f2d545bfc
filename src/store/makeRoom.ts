import type { FileHandle } from 'node:fs/promises';
import { isBlank, roomBytes } from './isBlank.js';
import { ownFile } from './ownFile.js';

/**
 * Lays out the files of a database, for the owner only. Where lmdb finds no room for its lock, it ends the process; so the
 * lock is written in advance, and what another process left in it goes.
 *
 * @throws {@link StoreFailed} for what is no file of ours, and what the system says, such as `ENOSPC`, as a rejection
 */
export async function makeRoom(path: string): Promise<void> {
  await inFile(path, async (file) => {
    if (!(await isBlank(file))) return;
    await file.writeFile(room);
    // lmdb makes a database of an empty file only.
    await file.truncate(0);
  });
  await inFile(`${path}-lock`, (file) => file.writeFile(room));
}

async function inFile(path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await ownFile(path, 'write');
  try {
    await work(file);
  } finally {
    await file.close();
  }
}

const room = Buffer.alloc(roomBytes);
