import * as t from 'io-ts';
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { integer } from '../../codecs/scalars.js';
import { hashPieces } from '../host/hashPieces.js';
import { withFile } from '../host/withFile.js';

/**
 * What a file was like when it was last known to be right. Whoever writes to it can set back the time of that, but not the one of
 * its last change, which the kernel keeps. A copy has another of these though its bytes are the same: those then decide.
 */
export interface FileIdentity {
  readonly bytes: number;
  readonly modifiedMs: number;
  /** Absent in what version 0.1 has written. */
  readonly changedMs?: number;
  readonly inode?: number;
  /** Of its content, of a file that is not too long. */
  readonly sha256?: string;
}

/** To read a longer one would take seconds. */
const mostHashedBytes = 2 ** 30;

/** Tells what files are like; each is read once as long as it stays as it is. */
export interface FileIdentities {
  of(path: string): Promise<FileIdentity>;
  /** Whether a file is what it was, by its content where its times say that it may be another. */
  isSame(path: string, was: FileIdentity): Promise<boolean>;
}

/** Creates {@link FileIdentities}. */
export function createFileIdentities(): FileIdentities {
  /** By path: what a file was before is of no use any more. */
  const hashes = new Map<string, { readonly looks: string; readonly hash: Promise<string> }>();

  const hashOf = (path: string, found: Looks): Promise<string> => {
    const looks = JSON.stringify(found);
    const known = hashes.get(path);
    if (known?.looks === looks) return known.hash;
    const hash = contentOf(path);
    hashes.set(path, { looks, hash });
    hash.catch(() => hashes.delete(path));
    return hash;
  };

  return {
    of: async (path) => {
      const looks = await looksOf(path);
      return looks.bytes > mostHashedBytes ? looks : { ...looks, sha256: await hashOf(path, looks) };
    },
    isSame: async (path, { bytes, modifiedMs, changedMs, inode, sha256 }) => {
      const looks = await looksOf(path);
      if (looks.bytes !== bytes) return false;
      const isUnchanged =
        looks.modifiedMs === modifiedMs &&
        (changedMs === undefined || looks.changedMs === changedMs) &&
        (inode === undefined || looks.inode === inode);
      return isUnchanged || (sha256 !== undefined && (await hashOf(path, looks)) === sha256);
    },
  };
}

type Looks = Required<Omit<FileIdentity, 'sha256'>>;

async function looksOf(path: string): Promise<Looks> {
  const { size, mtimeMs, ctimeMs, ino } = await stat(path);
  return { bytes: size, modifiedMs: mtimeMs, changedMs: ctimeMs, inode: ino };
}

/** Hashed piece by piece, off the event loop. */
async function contentOf(path: string): Promise<string> {
  // Within its image it may be a link.
  const pieces = await withFile(await realpath(path), hashPieces);
  return createHash('sha256').update(pieces.join()).digest('hex');
}

/** The keys of a {@link FileIdentity} in a record. */
export const fileIdentityFields = {
  required: { bytes: integer('bytes', 0, Number.MAX_SAFE_INTEGER), modifiedMs: t.number },
  optional: { changedMs: t.number, inode: t.number, sha256: t.string },
} as const;
