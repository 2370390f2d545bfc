import { closeSync, fchmod, fsync, open } from 'node:fs';
import { promisify } from 'node:util';

// Those of `node:fs/promises` take twice the time of the event loop, for each file anew.
const [openFd, setMode, flush] = [promisify(open), promisify(fchmod), promisify(fsync)];

/** Resolves once a file is on disk, or which entries a directory has; with a mode, once it has been given that. */
export async function onDisk(path: Buffer | string, mode?: number): Promise<void> {
  const fd = await openFd(path, 'r');
  try {
    if (mode !== undefined) await setMode(fd, mode);
    await flush(fd);
  } finally {
    // Nothing is left to be written: it takes no time.
    closeSync(fd);
  }
}
