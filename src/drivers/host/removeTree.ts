import { chmod, readdir, rm } from 'node:fs/promises';

/** Removes a folder with all that is in it, also what its owner has made read-only; one that is not there is removed already. */
export async function removeTree(path: string): Promise<void> {
  try {
    await remove(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    await makeWritable(path);
    await remove(path);
  }
}

// Processes that end may still be writing.
const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });

/**
 * Nothing can be removed from a folder that may not be written. Links are left alone: they lead elsewhere. Names are bytes:
 * one that is not UTF-8 would be taken for another.
 */
async function makeWritable(path: string | Buffer): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await makeWritable(Buffer.concat([Buffer.from(path), slash, entry.name]));
  }
}

const slash = Buffer.from('/');
