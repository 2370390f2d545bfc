import type { Header } from 'tar-stream';
import type { FileAttributes } from '../lifecycle/fileTree.js';

/** A header as tar-stream reads it, of which its types tell less. */
export interface TarHeader extends Omit<Header, 'type' | 'linkname' | 'pax'> {
  /** `null` of a kind that it does not know. */
  readonly type: Header['type'] | null;
  /** Where the content begins, from the beginning of the archive on. */
  readonly byteOffset: number;
  readonly linkname: string | null;
  /** What an extended header says. */
  readonly pax: { readonly mtime?: string } | null;
}

/** Makes the error that an entry is refused with, by a word of the operating system. */
type Refusing = (code: string) => Error;

/** What an archive may hold. That of a file that lies in one piece is from the days of tapes. */
const kinds = {
  file: 'file',
  'contiguous-file': 'file',
  link: 'name',
  symlink: 'link',
  directory: 'directory',
} as const;

const longestPath = 4_096;
const [setIds, toldMode] = [0o6000, 0o1777];
const mostMs = 8.64e15;
/** What tar-stream reads in the place of what is no UTF-8. */
const unreadable = '\uFFFD';

/** What an entry is. Refuses devices, pipes, files with holes, whatever else is not known, and what would run with the rights of its owner. */
export function kindOf(header: TarHeader, refuse: Refusing): (typeof kinds)[keyof typeof kinds] {
  const { type, mode, size } = header;
  const kind = type !== null && type in kinds ? kinds[type as keyof typeof kinds] : undefined;
  const isSparse = Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
  if (kind === undefined || isSparse) throw refuse('ENOTSUP');
  // Some readers pass over such content, others take it for the next entry.
  if ((kind === 'link' || kind === 'name') && size !== 0) throw refuse('EBADMSG');
  if (kind !== 'link' && (mode & setIds) !== 0) throw refuse('EPERM');
  return kind;
}

/** The path that a name in an archive stands for, as those of a tree are. Refuses what leads out. */
export function pathIn(name: string, refuse: Refusing): string {
  if (name === '' || name.includes('\0')) throw refuse('EBADMSG');
  if (name.includes(unreadable)) throw refuse('EILSEQ');
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
  if (target.includes(unreadable)) throw refuse('EILSEQ');
  if (target.length > longestPath) throw refuse('ENAMETOOLONG');
  const parts = target.split('/').filter((part, index) => part !== '.' && (part !== '' || index === 0));
  const down = parts.findIndex((part) => part !== '..');
  const ups = down < 0 ? parts.length : down;
  if (parts[0] === '' || ups > depth || parts.slice(ups).includes('..')) throw refuse('ENOTCAPABLE');
}

/** Who may do what with an entry, and when it was changed last. An extended header tells that more exactly. */
export function attributesOf({ mode, mtime, pax }: TarHeader, refuse: Refusing): FileAttributes {
  const told = pax?.mtime;
  const modifiedAt = told === undefined ? mtime.getTime() : Math.floor(Number(told) * 1_000);
  if (!Number.isSafeInteger(mode) || Number.isNaN(modifiedAt)) throw refuse('EBADMSG');
  return { mode: mode & toldMode, modifiedAt: Math.min(Math.max(modifiedAt, -mostMs), mostMs) };
}
