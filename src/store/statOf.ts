import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';

/** What lies at a path, links not followed; `undefined` when nothing does. */
export async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
