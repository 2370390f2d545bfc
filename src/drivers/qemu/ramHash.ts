import * as t from 'io-ts';
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { closed } from '../../codecs/closed.js';
import { hashPieces } from '../host/hashPieces.js';
import { withFile } from '../host/withFile.js';
import { readJson, writeJson } from './jsonFile.js';

/** What the file of a memory held when it was kept. */
export interface RamHash {
  /** The hash of the state that belongs to it. */
  readonly state: string;
  readonly sha256: string;
}

/** Writes down the hash of a memory. */
export const writeRamHash = (path: string, hash: RamHash): Promise<void> =>
  writeJson(path, { version: 1, ...hash });

/** The hash of the memory that belongs to a state; `undefined` where it was not reckoned. */
export async function readRamHash(path: string, state: string): Promise<string | undefined> {
  if ((await lstat(path).catch(() => undefined)) === undefined) return undefined;
  const known = await readJson(path, ramHash).catch(() => undefined);
  return known?.state === state ? known.sha256 : undefined;
}

/** The hash of what a file holds. Rejects once the signal is aborted. */
export async function contentHashOf(path: string, signal?: AbortSignal): Promise<string> {
  const pieces = await withFile(path, (file) => hashPieces(file, signal));
  return createHash('sha256').update(pieces.join()).digest('hex');
}

const ramHash = closed(
  'the hash of a memory',
  { version: t.literal(1), state: t.string, sha256: t.string },
  {},
);
