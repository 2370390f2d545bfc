import type { FileStat } from '../../lifecycle/fileStat.js';

/** What a guest tells of something that lies in it, and its name where it was listed. */
export interface FoundInGuest extends Omit<FileStat, 'path'> {
  readonly name: Buffer;
}

const recordBytes = 23;
const kinds: Readonly<Record<string, FileStat['kind']>> = {
  ...{ f: 'file', d: 'directory', l: 'link', o: 'other' },
};
/** Of a time in milliseconds, either way: what a `Date` can be. */
const mostMs = 8.64e15;

/** Reads what a guest tells of files; `undefined` where that cannot be. */
export function readGuestFileStats(bytes: Buffer): readonly FoundInGuest[] | undefined {
  const found: FoundInGuest[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < recordBytes) return undefined;
    const kind = kinds[String.fromCharCode(bytes.readUInt8(at))];
    const mode = bytes.readUInt16LE(at + 1);
    const size = Number(bytes.readBigInt64LE(at + 3));
    const modifiedAt = Number(bytes.readBigInt64LE(at + 11));
    const named = at + recordBytes;
    const leads = named + bytes.readUInt16LE(at + 19);
    const end = leads + bytes.readUInt16LE(at + 21);
    if (kind === undefined || mode > 0o7777 || end > bytes.length) return undefined;
    if (!Number.isSafeInteger(size) || size < 0 || Math.abs(modifiedAt) > mostMs) return undefined;
    const target = kind === 'link' ? { target: bytes.toString('utf8', leads, end) } : {};
    found.push({ name: bytes.subarray(named, leads), kind, size, mode, modifiedAt, ...target });
    at = end;
  }
  return found;
}
