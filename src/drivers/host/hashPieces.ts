import { createHash, webcrypto } from 'node:crypto';
import { fstatSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Size of all pieces but the last. */
const pieceBytes = 1_024 * 1_024;

/**
 * The SHA-256 of each MiB of an open file, the last one shorter; none of an empty file. Read and hashed in Node's thread pool, so
 * that whatever its size, little of it is in memory and the event loop is free. What is written to it meanwhile may be in them.
 * Rejects once the signal is aborted.
 */
export async function hashPieces(file: FileHandle, signal?: AbortSignal): Promise<readonly string[]> {
  const { size } = fstatSync(file.fd);
  const buffer = Buffer.allocUnsafe(Math.min(size, pieceBytes));
  const pieces: string[] = [];
  for (let place = 0; place < size;) {
    signal?.throwIfAborted();
    const piece = buffer.subarray(0, await fill(file, buffer, place));
    // It is shorter than it was.
    if (piece.length === 0) break;
    pieces.push(piece.equals(zeros) ? await (hashOfZeros ??= hashOf(zeros)) : await hashOf(piece));
    place += piece.length;
  }
  return pieces;
}

/** Up to so many are hashed at once: to hand them to a thread takes longer. */
const fewBytes = 16 * 1_024;

const hashOf = async (bytes: Buffer): Promise<string> =>
  bytes.length <= fewBytes
    ? createHash('sha256').update(bytes).digest('hex')
    : Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');

/** Of which a file of holes has many: to compare takes a tenth of what hashing takes. */
const zeros = Buffer.alloc(pieceBytes);
let hashOfZeros: Promise<string> | undefined;

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
