import type { Dirent, Stats } from 'node:fs';
import type { FileStat } from '../../lifecycle/fileStat.js';

/** What the system says of a file, as it is told. */
export const statOf = (path: string, found: Stats): FileStat => ({
  path,
  kind: kindOf(found),
  size: found.size,
  mode: found.mode & 0o7777,
  modifiedAt: Math.round(found.mtimeMs),
});

export const kindOf = (
  found: Pick<Stats | Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>,
): FileStat['kind'] =>
  found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'link' : 'other';
