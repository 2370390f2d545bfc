import { read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Read at a time. */
const pieceBytes = 256 * 1_024;
/** What is all zeros of this much is left out. */
const blockBytes = 64 * 1_024;
const zeros = Buffer.alloc(blockBytes);

const readFd = promisify(read);

/** Copies a file to where nothing is, for its owner only, without writing what is empty in it. */
export async function copyHoles(source: number, target: Buffer, size: number): Promise<void> {
  const copy = await open(target, 'wx', 0o600);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(size, pieceBytes));
    let place = 0;
    while (place < size) {
      const { bytesRead } = await readFd(source, buffer, 0, Math.min(buffer.length, size - place), place);
      // It is shorter than it was.
      if (bytesRead === 0) break;
      for (let start = 0; start < bytesRead; start += blockBytes) {
        const block = buffer.subarray(start, Math.min(start + blockBytes, bytesRead));
        if (!zeros.subarray(0, block.length).equals(block)) await writeAll(copy, block, place + start);
      }
      place += bytesRead;
    }
    await copy.truncate(place);
  } finally {
    await copy.close();
  }
}

/** One write need not take all. */
async function writeAll(file: FileHandle, bytes: Buffer, place: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, place + written)).bytesWritten;
  }
}
