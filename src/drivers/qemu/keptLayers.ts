import * as t from 'io-ts';
import { link, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { found } from '../../codecs/decode.js';
import { integer } from '../../codecs/scalars.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { LayerFile } from './disk.js';
import { readJson, writeJson } from './jsonFile.js';
import { contentHashOf } from './ramHash.js';

/** What the file of a layer was like when the memory of its machine was kept: what is in both belongs together. */
export interface KeptLayer {
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly inode: number;
  readonly bornMs: number;
  /** Another one too once others share the file. */
  readonly changedMs: number;
}

type HashedLayer = KeptLayer & { readonly sha256: string };

const record = 'layers.json';

/** What the layers in a folder are like now, lowest first. */
export const looksOfLayers = (folder: string, layers: readonly LayerFile[]): Promise<readonly KeptLayer[]> =>
  Promise.all(layers.map(({ file }) => looksOf(join(folder, file))));

/**
 * What has become of layers since a memory was kept. Where they look like others, as after a copy, the hash decides that was reckoned
 * since, and where that is not known, the time of the last write.
 */
export async function faultsOfLayers(
  folder: string,
  kept: readonly KeptLayer[],
  layers: readonly LayerFile[],
): Promise<readonly Fault[]> {
  const hashes = await readHashes(folder);
  const faultsOf = async (layer: LayerFile | undefined, index: number): Promise<readonly Fault[]> => {
    const was = kept[index];
    const path = (what: string): string => `disk.${String(index)}.${what}`;
    const is = layer && (await looksOf(join(folder, layer.file)).catch(() => undefined));
    // One that a copy has put on top is not written to before the machine goes on.
    const wasBytes = was === undefined ? layer?.emptyBytes : was.bytes;
    const differs = (what: string, now: unknown, before: unknown): readonly Fault[] =>
      now === before ? [] : [{ path: path(what), found: found(now), expected: found(before) }];
    if (layer === undefined || is === undefined || is.bytes !== wasBytes)
      return differs('bytes', is?.bytes, wasBytes);
    const isTop = index === layers.length - 1;
    if (was === undefined || (isSame(is, was) && (!isTop || is.changedMs === was.changedMs))) return [];
    const known = hashes.find((hashed) => isSame(hashed, was));
    if (known !== undefined) {
      return differs('sha256', await contentHashOf(join(folder, layer.file)), known.sha256);
    }
    // Whoever copies a machine makes an empty one anew.
    return is.bytes === layer.emptyBytes ? [] : differs('modifiedMs', is.modifiedMs, was.modifiedMs);
  };
  const all = Array.from({ length: Math.max(kept.length, layers.length) }, (_, index) =>
    faultsOf(layers[index], index),
  );
  return (await Promise.all(all)).flat();
}

/**
 * Reckons the hashes of layers that are not known yet, as long as they are what they were; one below others never changes, and is
 * read once. Rejects once the signal is aborted.
 */
export async function hashLayers(
  folder: string,
  kept: readonly KeptLayer[],
  layers: readonly LayerFile[],
  signal: AbortSignal,
): Promise<(() => Promise<void>) | undefined> {
  const known = await readHashes(folder);
  const hashed: HashedLayer[] = [];
  for (const [index, { file }] of layers.entries()) {
    const was = kept[index];
    if (was === undefined || !isSame(await looksOf(join(folder, file)), was)) continue;
    const sha256 =
      known.find((each) => isSame(each, was))?.sha256 ?? (await contentHashOf(join(folder, file), signal));
    // Whoever wrote to it meanwhile has spoilt it.
    if (isSame(await looksOf(join(folder, file)), was)) hashed.push({ ...was, sha256 });
  }
  const isNew = hashed.some((each) => !known.some((other) => isSame(each, other)));
  return isNew ? () => writeJson(join(folder, record), { version: 1, layers: hashed }) : undefined;
}

/** Gives another folder the hashes that are known. */
export async function shareLayerHashes(folder: string, target: string): Promise<void> {
  if ((await readHashes(folder)).length > 0) await link(join(folder, record), join(target, record));
}

async function readHashes(folder: string): Promise<readonly HashedLayer[]> {
  const path = join(folder, record);
  if ((await lstat(path).catch(() => undefined)) === undefined) return [];
  // Without them the times decide.
  return readJson(path, hashes).then(
    ({ layers }) => layers,
    () => [],
  );
}

async function looksOf(path: string): Promise<KeptLayer> {
  const { size: bytes, mtimeMs, ino: inode, birthtimeMs: bornMs, ctimeMs: changedMs } = await lstat(path);
  return { bytes, modifiedMs: Math.round(mtimeMs), inode, bornMs, changedMs };
}

/** As far as others that share the file change nothing of it. */
const isSame = (one: KeptLayer, other: KeptLayer): boolean =>
  one.bytes === other.bytes &&
  one.modifiedMs === other.modifiedMs &&
  one.inode === other.inode &&
  one.bornMs === other.bornMs;

const fields = {
  bytes: integer('bytes', 0, Number.MAX_SAFE_INTEGER),
  ...{ modifiedMs: t.number, inode: t.number, bornMs: t.number, changedMs: t.number },
};

/** Decodes {@link KeptLayer}s. */
export const keptLayers: t.Type<readonly KeptLayer[], unknown> = t.readonlyArray(
  closed('a layer of a disk', fields, {}),
);

const hashes = closed(
  'hashes of layers',
  {
    version: t.literal(1),
    layers: t.readonlyArray(closed('a layer of a disk', { ...fields, sha256: t.string }, {})),
  },
  {},
);
