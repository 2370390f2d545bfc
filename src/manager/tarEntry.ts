import type { TarEntry } from './tarParser.js';

/** Makes the error that an entry is refused with, by a word of the operating system. */
type Refusing = (code: string) => Error;

/** What an archive may hold. That of a file that lies in one piece is from the days of tapes. */
const kinds = { 0: 'file', 7: 'file', 1: 'name', 2: 'link', 5: 'directory' } as const;

const longestPath = 4_096;
const [setIds, toldMode] = [0o6000, 0o1777];
const mostMs = 8.64e15;

/** What an entry is. Refuses devices, pipes, files with holes, whatever else is not known, and what would run with the rights of its owner. */
export function kindOf(entry: TarEntry, refuse: Refusing): (typeof kinds)[keyof typeof kinds] {
  const { flag, mode, isSparse } = entry;
  const kind = Object.hasOwn(kinds, flag) ? kinds[flag as unknown as keyof typeof kinds] : undefined;
  if (kind === undefined || isSparse) throw refuse('ENOTSUP');
  if (kind !== 'link' && (mode & setIds) !== 0) throw refuse('EPERM');
  return kind;
}

/** The path that a name in an archive stands for, as those of a tree are. Refuses what leads out. */
export function pathIn(name: string, refuse: Refusing): string {
  if (name === '' || name.includes('\0')) throw refuse('EBADMSG');
  if (name.length > longestPath) throw refuse('ENAMETOOLONG');
  const parts = name.split('/');
  if (parts[0] === '' || parts.includes('..')) throw refuse('ENOTCAPABLE');
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}

/**
 * Refuses a link that could lead out: what is absolute, what goes up further than the link lies deep, and what goes up from a name, which may be another
 * link.
 *
 * @param depth - how many directories the link lies below the top
 */
export function refuseOutward(target: string, depth: number, refuse: Refusing): void {
  if (target === '' || target.includes('\0')) throw refuse('EBADMSG');
  if (target.length > longestPath) throw refuse('ENAMETOOLONG');
  const parts = target.split('/').filter((part, index) => part !== '.' && (part !== '' || index === 0));
  const down = parts.findIndex((part) => part !== '..');
  const ups = down < 0 ? parts.length : down;
  if (parts[0] === '' || ups > depth || parts.slice(ups).includes('..')) throw refuse('ENOTCAPABLE');
}

/** Who may do what with an entry, and when it was changed last. */
export const attributesOf = ({ mode, modifiedAt }: TarEntry): { mode: number; modifiedAt: number } => ({
  mode: mode & toldMode,
  modifiedAt: Math.min(Math.max(modifiedAt, -mostMs), mostMs),
});
