import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { checkOwn } from './checkOwn.js';
import { makeFolders } from './makeFolders.js';
import { statOf } from './statOf.js';

/**
 * Makes a folder for the owner only, unless it is there; then it has to be a folder, no link, and the owner's, and what others
 * were allowed to do in it they are not any more.
 *
 * @param mayBeCrossed - whether others who know what lies in it may come there, if they could before
 * @throws {@link StoreFailed} as a rejection, and what the system says
 */
export async function ownFolder(path: string, mayBeCrossed = false): Promise<void> {
  const there = await statOf(path);
  if (there === undefined) await makeFolders(path);
  else checkOwn(path, there, 'folder');
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const stats = await folder.stat();
    checkOwn(path, stats, 'folder');
    const allowed = mayBeCrossed ? 0o711 : 0o700;
    if ((stats.mode & 0o777 & ~allowed) !== 0) await folder.chmod(0o700 | (stats.mode & allowed));
  } finally {
    await folder.close();
  }
}
