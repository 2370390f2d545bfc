import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StoreFailed } from '../lifecycle/errors.js';

/**
 * Makes a folder for the owner only, with those above it that are missing, and tells whether it was not there. One after another, and
 * each tried at most twice: Node's own way of it (`recursive`) may never answer.
 *
 * @throws {@link StoreFailed} as a rejection, where nothing can be made in a folder, and what the system says
 */
export async function makeFolders(path: string): Promise<boolean> {
  const make = async (): Promise<boolean> => {
    try {
      await mkdir(path, { mode: 0o700 });
      return true;
    } catch (error) {
      const there = await stat(path).catch(() => undefined);
      // A link that leads nowhere is there too.
      if (there?.isDirectory() ?? codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  };
  const parent = dirname(path);
  try {
    return await make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error;
  }
  await makeFolders(parent);
  return make().catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new StoreFailed(
      { reason: `nothing can be made in ${parent}; name another folder` },
      { cause: error },
    );
  });
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
