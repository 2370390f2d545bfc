import type { FileAttributes } from '../lifecycle/fileTree.js';

/** An entry of an archive, as it is written. */
export interface TarHeader extends FileAttributes {
  readonly name: string;
  readonly kind: keyof typeof flags;
  /** In bytes. */
  readonly size: number;
  /** Where a link leads; of a further name, the first. */
  readonly target?: string;
}

export const blockBytes = 512;
/** Two blocks of zeros. */
export const endBytes = 2 * blockBytes;

const flags = { file: '0', name: '1', link: '2', directory: '5', extended: 'x' } as const;
const [nameBytes, prefixBytes] = [100, 155];
/** What eleven octal digits can say. */
const mostInField = 8 ** 11 - 1;
/** Permissions, and that only the owner of what is in a directory may remove it; not with whose rights it runs. */
const toldMode = 0o1777;

/** So much is written for a name and a target of 4,096 characters each. */
export const mostHeaderBytes = 32 * 1_024;

/**
 * Writes what stands before the content of an entry, and returns where it ends: a block in the form of POSIX (ustar), after an extended header (pax) where
 * that has no room for all of it. Owners are not told.
 */
export function writeTarHeader(into: Buffer, at: number, header: TarHeader): number {
  const { name, target = '', size, modifiedAt } = header;
  const seconds = Math.floor(modifiedAt / 1_000);
  const place = placeOf(name);
  const extended: string[] = [];
  if (place === undefined) extended.push(record('path', name));
  if (Buffer.byteLength(target) > nameBytes) extended.push(record('linkpath', target));
  if (size > mostInField) extended.push(record('size', String(size)));
  if (seconds < 0 || seconds > mostInField) extended.push(record('mtime', String(seconds)));
  let end = at;
  if (extended.length > 0) {
    const content = Buffer.from(extended.join(''));
    const own = { ...header, kind: 'extended', size: content.length } as const;
    end = writeBlock(into, end, own, { prefix: '', name: 'PaxHeader' });
    end += content.copy(into, end);
    end = padTar(into, end, content.length);
  }
  return writeBlock(into, end, header, place ?? { prefix: '', name: '' });
}

/** Fills the last block of so much content with zeros, and returns where it ends. */
export function padTar(into: Buffer, at: number, size: number): number {
  const end = at + ((blockBytes - (size % blockBytes)) % blockBytes);
  into.fill(0, at, end);
  return end;
}

/** The two fields of a name. */
interface Place {
  readonly prefix: string;
  readonly name: string;
}

/** Where a name has room; the two parts of a long one meet at a `/`. */
function placeOf(name: string): Place | undefined {
  if (Buffer.byteLength(name) <= nameBytes) return { prefix: '', name };
  for (let cut = name.indexOf('/'); cut > 0; cut = name.indexOf('/', cut + 1)) {
    const [prefix, rest] = [name.slice(0, cut), name.slice(cut + 1)];
    if (Buffer.byteLength(prefix) > prefixBytes) return undefined;
    if (rest !== '' && Buffer.byteLength(rest) <= nameBytes) return { prefix, name: rest };
  }
  return undefined;
}

function writeBlock(into: Buffer, at: number, header: TarHeader, { prefix, name }: Place): number {
  const { mode, size, modifiedAt, kind, target = '' } = header;
  const octal = (from: number, digits: number, value: number): void => {
    into.write(value.toString(8).padStart(digits, '0'), at + from, digits, 'latin1');
  };
  const within = (value: number): number => (value < 0 || value > mostInField ? 0 : value);
  into.fill(0, at, at + blockBytes);
  into.write(name, at, nameBytes);
  octal(100, 7, mode & toldMode);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, within(size));
  octal(136, 11, within(Math.floor(modifiedAt / 1_000)));
  into.write(flags[kind], at + 156, 1, 'latin1');
  if (Buffer.byteLength(target) <= nameBytes) into.write(target, at + 157, nameBytes);
  into.write('ustar\x0000', at + 257, 8, 'latin1');
  into.write(prefix, at + 345, prefixBytes);
  // The sum of all bytes, where those of the sum itself are spaces.
  into.write('        ', at + 148, 8, 'latin1');
  let sum = 0;
  for (let index = at; index < at + blockBytes; index += 1) sum += into[index] as number;
  into.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 8, 'latin1');
  return at + blockBytes;
}

/** A record of an extended header begins with its own length in bytes, these digits included. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (String(length).length > String(bytes).length) length = bytes + String(length).length;
  return `${String(length)}${rest}`;
}
