import { stat } from 'node:fs/promises';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Image } from './image.js';
import { openPlain, readStart } from './plainFile.js';

/**
 * Sees that what a machine boots fits into its memory: QEMU would not say so of all, and the guest would end without a word. How much
 * more it needs is its own affair.
 *
 * @throws {@link LaunchFailed} with what it takes
 */
export async function checkFitsMemory({ kernel, initrd }: Image, memoryMiB: number): Promise<void> {
  const bytes = (await loadedBytes(kernel)) + (initrd === undefined ? 0 : (await stat(initrd)).size);
  const needed = Math.ceil(bytes / 2 ** 20);
  if (needed < memoryMiB) return;
  const files = initrd === undefined ? 'its kernel alone takes' : 'its kernel and initrd alone take';
  throw new LaunchFailed({
    reason: `the machine has ${String(memoryMiB)} MiB of memory (memoryMiB), and ${files} ${String(needed)} MiB`,
  });
}

/** An ELF file says what of it is loaded, and may hold much more. */
async function loadedBytes(path: string): Promise<number> {
  const file = await openPlain(path);
  try {
    const start = await readStart(file, headerBytes);
    return isElf64(start) ? segmentBytes(start) : (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** Its header, and those of its segments, which follow it. */
const headerBytes = 4_096;
const elf64 = Buffer.from('\x7fELF\x02\x01', 'latin1');

const isElf64 = (start: Buffer): boolean =>
  start.length >= 64 && start.subarray(0, elf64.length).equals(elf64);

function segmentBytes(start: Buffer): number {
  const place = Number(start.readBigUInt64LE(32));
  const [size, count] = [start.readUInt16LE(54), start.readUInt16LE(56)];
  let bytes = 0;
  for (let index = 0; index < count; index += 1) {
    const header = start.subarray(place + index * size, place + (index + 1) * size);
    if (header.length < 48) break;
    const isLoaded = header.readUInt32LE(0) === 1;
    if (isLoaded) bytes += Number(header.readBigUInt64LE(40));
  }
  return bytes;
}
