import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a file for reading that has to be one: a link is not followed, and what is a pipe stops nobody, though a folder in which
 * others write may hold both in the place of a file.
 */
export async function openPlain(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      throw code === 'ELOOP' || code === 'ENXIO' ? noFile(path, error) : error;
    },
  );
  try {
    if (!(await file.stat()).isFile()) throw noFile(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

const noFile = (path: string, cause?: unknown): Error => new Error(`${path} is no plain file`, { cause });

/** Reads a text that has to be a plain file of so many bytes at most. */
export async function readPlain(path: string, maxBytes: number): Promise<string> {
  const file = await openPlain(path);
  try {
    const bytes = await readStart(file, maxBytes + 1);
    if (bytes.length > maxBytes) throw new Error(`${path} has more than ${String(maxBytes)} bytes`);
    return bytes.toString('utf8');
  } finally {
    await file.close();
  }
}

/** So many bytes from the beginning of a file, or all that it has. */
export async function readStart(file: FileHandle, bytes: number): Promise<Buffer> {
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.min(size, bytes));
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
