import type { Stats } from 'node:fs';
import { StoreFailed } from '../lifecycle/errors.js';

/**
 * Checks that what lies at a path is what has to be there, and the user's own who runs this process: whoever owns a file can
 * change it, the superuser's are no exception.
 *
 * @throws {@link StoreFailed} naming the path, what was found and what was expected
 */
export function checkOwn(path: string, stats: Stats, kind: 'folder' | 'file'): void {
  const found = kindOf(stats);
  if (found !== kind) throw new StoreFailed({ reason: `${path} is a ${found}, where a ${kind} has to be` });
  const own = process.geteuid?.() ?? stats.uid;
  if (stats.uid !== own) {
    throw new StoreFailed({
      reason: `the ${kind} ${path} belongs to user ${String(stats.uid)}, and has to belong to user ${String(own)}, who opens it`,
    });
  }
}

const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return 'folder';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'pipe';
  return stats.isSocket() ? 'socket' : 'device';
};
