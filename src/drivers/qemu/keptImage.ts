import * as t from 'io-ts';
import { link, lstat, mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { text } from '../../codecs/scalars.js';
import type { Image } from './image.js';
import { readJson, writeJson } from './jsonFile.js';

/** Where the image of a machine lies, as it was found when the machine was made of it: a link that is switched since means another. */
export type KeptImage = Pick<Image, 'directory' | 'files'>;

const record = 'image.json';

/** Writes down in a folder where the image of its machine lies. */
export const keepImage = (folder: string, { directory, files }: KeptImage): Promise<void> =>
  writeJson(join(folder, record), { version: 1, directory, files });

/** What was written down; `undefined` where that was not done yet, as by version 0.1.0. */
export async function keptImage(folder: string): Promise<KeptImage | undefined> {
  const path = join(folder, record);
  return (await lstat(path).catch(() => undefined)) === undefined ? undefined : readJson(path, image);
}

/** Gives another folder the same. */
export async function shareKeptImage(folder: string, target: string): Promise<void> {
  if ((await keptImage(folder)) === undefined) return;
  await mkdir(target, { recursive: true, mode: 0o700 });
  await link(join(folder, record), join(target, record));
}

const path = text('an absolute path', (value) => isAbsolute(value) && !/\p{Cc}/u.test(value));

const image = closed(
  'where an image lies',
  { version: t.literal(1), directory: path, files: t.readonly(t.record(t.string, path)) },
  {},
);
