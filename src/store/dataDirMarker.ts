import { createId } from '@paralleldrive/cuid2';
import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import type * as t from 'io-ts';
import { link, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { closed } from '../codecs/closed.js';
import { decode } from '../codecs/decode.js';
import { id } from '../codecs/id.js';
import { integer } from '../codecs/scalars.js';
import { describeFault, StoreFailed } from '../lifecycle/errors.js';
import { markerName, pathsIn } from './dataDirPaths.js';
import { ownFile } from './ownFile.js';
import { statOf } from './statOf.js';

/** What a data directory says of itself. */
export interface DataDirMarker {
  /** Version of how a data directory is laid out. */
  readonly layout: number;
  /** The host that this directory is. */
  readonly host: string;
}

/** The newest version that this program knows. */
const newest = 1;
const longest = 4_096;

/** Whether a name is that of a marker that somebody was killed over. */
export const isUnfinishedMarker = (name: string): boolean =>
  name.startsWith(`${markerName}.`) && id.is(name.slice(markerName.length + 1));

/**
 * Reads the marker of a data directory; `undefined` when it bears none.
 *
 * @throws {@link StoreFailed} as a rejection when it can't be understood, or is of a newer program
 */
export async function readMarker(dataDir: string): Promise<DataDirMarker | undefined> {
  const { marker: path } = pathsIn(dataDir);
  if ((await statOf(path)) === undefined) return undefined;
  const file = await ownFile(path, 'read');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(longest), 0, longest, 0);
    return decoded(path, buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

/**
 * Gives a data directory that is held by us a marker, if it bears none, and removes what is left of those that somebody was
 * killed over. At every moment it bears none, or all of it.
 */
export async function completeMarker(dataDir: string): Promise<void> {
  if ((await statOf(pathsIn(dataDir).marker)) === undefined) await writeMarker(dataDir);
  for (const name of (await readdir(dataDir)).filter(isUnfinishedMarker)) {
    const path = join(dataDir, name);
    // Nothing else was made by us under such a name.
    if ((await statOf(path))?.isFile() === true) await rm(path);
  }
}

async function writeMarker(dataDir: string): Promise<void> {
  const unfinished = join(dataDir, `${markerName}.${createId()}`);
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ layout: newest, host: createId() } satisfies DataDirMarker)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  // Other than a rename, it takes nothing's place.
  await link(unfinished, pathsIn(dataDir).marker);
}

function decoded(path: string, text: string): DataDirMarker {
  const faultsOr = pipe(
    E.tryCatch(
      () => JSON.parse(text) as unknown,
      () => [{ path: '', found: `${String(text.length)} characters`, expected: 'JSON' }],
    ),
    E.chain((value) => decode(codec, value)),
  );
  if (E.isLeft(faultsOr)) {
    const faults = faultsOr.left.map(describeFault).join('; ');
    throw new StoreFailed({
      reason: `${path} cannot be understood: ${faults}; put back a copy, or remove the file if it is damaged`,
    });
  }
  return faultsOr.right;
}

const codec: t.Type<DataDirMarker, unknown> = closed(
  'a marker',
  { layout: integer('a layout that this program knows', 1, newest), host: id },
  {},
);
