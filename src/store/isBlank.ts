import type { FileHandle } from 'node:fs/promises';

/** How much room is made for a new database, and for a lock: more than either needs. */
export const roomBytes = 16_384;

/** A file that is longer is read no further: it may be a hole of any length, and nobody waits for that. */
const longestBytes = 4 * 2 ** 30;
const pieceBytes = 256 * 1_024;

/**
 * Whether a file holds nothing, be it that somebody was killed while he made room in it, or that a crash of the machine has left
 * zeros in its place. One that is longer than 4 GiB holds something.
 */
export async function isBlank(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size > longestBytes) return false;
  const piece = Buffer.alloc(Math.min(size, pieceBytes));
  const zeros = Buffer.alloc(piece.length);
  for (let offset = 0; offset < size;) {
    const { bytesRead } = await file.read(piece, 0, piece.length, offset);
    if (piece.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0) return false;
    // Somebody has cut it meanwhile.
    if (bytesRead === 0) break;
    offset += bytesRead;
  }
  return true;
}
