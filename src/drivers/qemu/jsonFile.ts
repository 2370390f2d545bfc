import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { rename, rm, writeFile } from 'node:fs/promises';
import { decode } from '../../codecs/decode.js';
import { describeFault } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { readPlain } from './plainFile.js';

/** No file that is written here comes near. */
const mostBytes = 1_024 * 1_024;

/** Writes a value so that whoever reads the file finds the former one or this, never a part, for its owner only. */
export async function writeJson(path: string, value: object): Promise<void> {
  const part = `${path}.part`;
  // What was left there may be anything, a link too.
  await rm(part, { force: true });
  await writeFile(part, JSON.stringify(value), { flag: 'wx', mode: 0o600, flush: true });
  await rename(part, path);
}

/** Reads and decodes a file, or fails with all that is wrong with it; what is no plain file of some size is not read. */
export async function readJson<A>(path: string, codec: t.Decoder<unknown, A>): Promise<A> {
  const text = await readPlain(path, mostBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is broken: ${messageOf(error)}`, { cause: error });
  }
  const decoded = decode(codec, value);
  if (E.isRight(decoded)) return decoded.right;
  throw new Error(`${path} is broken: ${decoded.left.map(describeFault).join('; ')}`);
}
