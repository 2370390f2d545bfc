import { open } from 'node:fs/promises';

/** Resolves once a file is on disk, or which entries a directory has; with a mode, once it has been given that. */
export async function onDisk(path: Buffer | string, mode?: number): Promise<void> {
  const handle = await open(path);
  try {
    if (mode !== undefined) await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
