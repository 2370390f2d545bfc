import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { decode } from '../../codecs/decode.js';
import { describeFault } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';

/** Writes a value so that whoever reads the file finds the former one or this, never a part, for its owner only. */
export async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(`${path}.part`, JSON.stringify(value), { mode: 0o600, flush: true });
  await rename(`${path}.part`, path);
}

/** Reads and decodes a file, or fails with all that is wrong with it. */
export async function readJson<A>(path: string, codec: t.Decoder<unknown, A>): Promise<A> {
  const text = await readFile(path, 'utf8');
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
