import type { FileHandle } from 'node:fs/promises';

/** How much room is made for a new database, and for a lock: more than either needs. */
export const roomBytes = 16_384;

/** Whether a file holds nothing, be it that somebody was killed while he made room in it. */
export async function isBlank(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size > roomBytes) return false;
  const { buffer } = await file.read(Buffer.alloc(size), 0, size, 0);
  return buffer.every((byte) => byte === 0);
}
