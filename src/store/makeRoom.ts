import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Lays out the files of a database, for the owner only. Where lmdb finds no room for its lock, it ends the process; so the
 * lock is written in advance, and what another process left in it goes.
 *
 * @throws what the system says, such as `ENOSPC`, as a rejection
 */
export async function makeRoom(path: string): Promise<void> {
  await inFile(`${path}-lock`, (file) => file.writeFile(room));
  await inFile(path, async (file) => {
    const { size } = await file.stat();
    if (size > 0) return;
    await file.writeFile(room);
    // lmdb makes a database of an empty file only.
    await file.truncate(0);
  });
}

/** More than a lock needs, and a new database. */
const room = Buffer.alloc(16_384);

async function inFile(path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    await file.chmod(0o600);
    await work(file);
  } finally {
    await file.close();
  }
}
