import { constants, fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a regular file to be read, works with it and closes it. A link is not followed, and nothing waits for the other end of a
 * pipe: what is no regular file is a failure.
 */
export async function withFile<T>(path: Buffer | string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!fstatSync(file.fd).isFile()) throw new Error(`${path.toString()} is no regular file`);
    return await work(file);
  } finally {
    await file.close();
  }
}
