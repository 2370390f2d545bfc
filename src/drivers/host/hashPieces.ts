import { webcrypto } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Size of all pieces but the last. */
const pieceBytes = 1_024 * 1_024;

/**
 * The SHA-256 of each MiB of a file, the last one shorter; none of an empty file. Read and hashed in Node's thread pool, so
 * that whatever its size, little of it is in memory and the event loop is free.
 *
 * @param first - what to do with the open file before it is read
 */
export async function hashPieces(
  path: string,
  first: (file: FileHandle) => Promise<unknown> = () => Promise.resolve(),
): Promise<readonly string[]> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await first(file);
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.min(size, pieceBytes));
    const pieces: string[] = [];
    for (let place = 0; place < size;) {
      const piece = buffer.subarray(0, await fill(file, buffer, place));
      // It is shorter than it was.
      if (piece.length === 0) break;
      pieces.push(Buffer.from(await webcrypto.subtle.digest('SHA-256', piece)).toString('hex'));
      place += piece.length;
    }
    return pieces;
  } finally {
    await file.close();
  }
}

/** One read need not give all. */
async function fill(file: FileHandle, buffer: Buffer, place: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, place + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
