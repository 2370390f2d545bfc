import * as t from 'io-ts';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, lstat, mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { closed } from '../../codecs/closed.js';
import { found } from '../../codecs/decode.js';
import { integer, oneOf } from '../../codecs/scalars.js';
import { type Fault, SnapshotIncompatible } from '../../lifecycle/errors.js';
import { copyHoles } from '../host/copyHoles.js';
import { runProgram } from '../host/runProgram.js';
import { withFile } from '../host/withFile.js';
import { readJson, writeJson } from './jsonFile.js';
import { type KeptBoot, keptBoot } from './keptBoot.js';
import { type KeptLayer, keptLayers, shareLayerHashes } from './keptLayers.js';
import { contentHashOf, readRamHash } from './ramHash.js';
import { type VmConfig, vmConfig } from './vmConfig.js';

/** Names of the files in which the memory of a machine lies, in its folder. */
export const memoryFiles = {
  /** The guest's memory itself, as far as it is not in the state. */
  ram: 'ram',
  /** Processors and devices. */
  state: 'state',
  /** What both have to be like. Only where it is there, a machine can be resumed from the memory. */
  manifest: 'memory.json',
  /** The hash of the file of the guest's memory, where it was reckoned since. */
  ramHash: 'ram.json',
} as const;

/** What was saved of a machine that stood still. */
export interface SavedMemory {
  readonly version: 1;
  readonly vm: VmConfig;
  /** Where the guest's memory lies: in a file of its own, or in the state. */
  readonly ramIn: 'file' | 'state';
  readonly state: { readonly bytes: number; readonly sha256: string };
  /** Once a QEMU has taken it up, when it was written to says nothing any more. */
  readonly ram?: {
    readonly bytes: number;
    readonly modifiedMs?: number;
    /** Which file it is, and when it was last changed in any way; not once others have it too, since to give it a name is a change. */
    readonly file?: RamFile;
  };
  /** The layers of the disk that it belongs to; absent in what was kept before they were compared. */
  readonly layers?: readonly KeptLayer[];
  /** Of a machine that was not ready yet. */
  readonly isReady?: false;
  /** Of a machine that had said nothing yet, and may not have loaded its kernel. */
  readonly boot?: KeptBoot;
}

interface RamFile {
  readonly inode: number;
  readonly bornMs: number;
  readonly changedMs?: number;
}

/** Writes down what was saved in a folder, which is valid from then on. */
export async function keepMemory(
  folder: string,
  { vm, ramIn, state, ...rest }: Omit<SavedMemory, 'version' | 'ram'>,
): Promise<void> {
  const { ram, manifest } = memoryFiles;
  const kept: SavedMemory = {
    ...{ version: 1, vm, ramIn, state, ...rest },
    ...(ramIn === 'file' ? { ram: await shapeOf(join(folder, ram)) } : {}),
  };
  await writeJson(join(folder, manifest), kept);
}

/** What is kept in a folder; `undefined` where there is nothing. */
export async function keptMemory(folder: string): Promise<SavedMemory | undefined> {
  const path = join(folder, memoryFiles.manifest);
  return (await lstat(path).catch(() => undefined)) === undefined ? undefined : readJson(path, savedMemory);
}

/**
 * Holds what is kept against the files, and against what a machine would be built of now.
 *
 * @throws {@link SnapshotIncompatible} naming every difference
 */
export async function checkMemory(folder: string, kept: SavedMemory, now: Partial<VmConfig>): Promise<void> {
  const { state } = memoryFiles;
  const faults: Fault[] = [];
  const compare = (path: string, is: unknown, was: unknown): void => {
    if (is !== was) faults.push({ path, found: found(is), expected: found(was) });
  };
  const was: VmConfig = { devices: 1, ...kept.vm };
  for (const [key, is] of Object.entries(now)) compare(key, is, was[key as keyof VmConfig]);
  const stateFile = await lstat(join(folder, state)).catch(() => undefined);
  const stateBytes = stateFile?.isFile() === true ? stateFile.size : undefined;
  compare('state.bytes', stateBytes, kept.state.bytes);
  if (stateBytes === kept.state.bytes)
    compare('state.sha256', await hashOf(join(folder, state)), kept.state.sha256);
  if (kept.ram !== undefined) faults.push(...(await faultsOfKeptRam(folder, kept.ram, kept.state.sha256)));
  if (faults.length > 0) throw new SnapshotIncompatible({ differences: faults });
}

/** Its content decides where its times say that it may be another file, or one that was changed, as after a copy. */
async function faultsOfKeptRam(
  folder: string,
  was: NonNullable<SavedMemory['ram']>,
  state: string,
): Promise<readonly Fault[]> {
  const faults = await faultsOfRam(folder, was);
  const path = join(folder, memoryFiles.ram);
  const is = await shapeOf(path).catch(() => undefined);
  const isOther = is !== undefined && was.file !== undefined && !isFile(is.file, was.file);
  if (is?.bytes !== was.bytes || (faults.length === 0 && !isOther)) return faults;
  const expected =
    was.modifiedMs === undefined ? undefined : await readRamHash(join(folder, memoryFiles.ramHash), state);
  if (expected === undefined) return faults;
  const sha256 = await contentHashOf(path);
  return sha256 === expected ? [] : [{ path: 'ram.sha256', found: found(sha256), expected: found(expected) }];
}

/** How the file of a memory looks other than it did. */
export async function faultsOfRam(
  folder: string,
  was: NonNullable<SavedMemory['ram']>,
): Promise<readonly Fault[]> {
  const is = await shapeOf(join(folder, memoryFiles.ram)).catch(() => undefined);
  const differs = (path: string, now: unknown, before: unknown): readonly Fault[] =>
    now === before ? [] : [{ path, found: found(now), expected: found(before) }];
  // A copy was changed when it was made.
  const changedMs =
    is !== undefined && was.file?.changedMs !== undefined && isFile(is.file, was.file)
      ? was.file.changedMs
      : undefined;
  return [
    ...differs('ram.bytes', is?.bytes, was.bytes),
    ...(was.modifiedMs === undefined ? [] : differs('ram.modifiedMs', is?.modifiedMs, was.modifiedMs)),
    ...(changedMs === undefined ? [] : differs('ram.changedMs', is?.file.changedMs, changedMs)),
  ];
}

/**
 * Has to come before a QEMU takes up a memory and what it writes there stays: even while its guest stands still, it writes
 * into its memory that it was moved.
 */
export async function giveMemory(folder: string, kept: SavedMemory): Promise<void> {
  const { ram, ...rest } = kept;
  if (ram === undefined) return;
  await writeJson(join(folder, memoryFiles.manifest), { ...rest, ram: { bytes: ram.bytes } });
}

/**
 * Makes what is kept in a folder void, since the guest goes on and changes its memory. The file of its memory stays as long as
 * a machine has it: whoever else has it too, sees by that that it is not alone.
 */
export async function spendMemory(folder: string): Promise<void> {
  const { state, manifest, ramHash } = memoryFiles;
  // First that which makes the other valid.
  await rm(join(folder, manifest), { force: true });
  await Promise.all([state, `${state}.part`, ramHash].map((name) => rm(join(folder, name), { force: true })));
}

/** Removes all memory from a folder of which no machine runs. */
export async function forgetMemory(folder: string): Promise<void> {
  await spendMemory(folder);
  await forgetRam(folder);
}

/** Removes the file of the guest's memory, where a machine had one. */
export const forgetRam = (folder: string): Promise<void> =>
  rm(join(folder, memoryFiles.ram), { force: true });

/** Gives another folder what is kept in this one, as hard links: neither is ever written to again. */
export async function shareMemory(folder: string, target: string): Promise<void> {
  const kept = await keptMemory(folder);
  const { ram, ...rest } = kept ?? {};
  if (
    ram?.file?.changedMs !== undefined &&
    isFile((await shapeOf(join(folder, memoryFiles.ram))).file, ram.file)
  ) {
    const { inode, bornMs } = ram.file;
    await writeJson(join(folder, memoryFiles.manifest), {
      ...rest,
      ram: { ...ram, file: { inode, bornMs } },
    });
  }
  await giveTo(folder, target, link);
}

/**
 * The same of a folder whose content was held against its hashes just now: so its times are right, whatever they are, as those of a
 * copy, and as those of the layers that the other has by now.
 */
export async function shareSound(
  folder: string,
  target: string,
  layers: readonly KeptLayer[],
): Promise<void> {
  const kept = await keptMemory(folder);
  await giveTo(folder, target, link);
  if (kept === undefined) return;
  const path = join(target, memoryFiles.manifest);
  const known = { ...kept, ...(kept.layers !== undefined && { layers }) };
  if (kept.ram === undefined) return writeJson(path, known);
  const { bytes, modifiedMs, file } = await shapeOf(join(target, memoryFiles.ram));
  const { inode, bornMs } = file;
  const ram = { bytes, ...(kept.ram.modifiedMs !== undefined && { modifiedMs, file: { inode, bornMs } }) };
  await writeJson(path, { ...known, ram });
}

/** Gives another folder what is kept in this one, whose machine stands still and may go on: then it writes to its memory. */
export const copyMemory = (folder: string, target: string): Promise<void> => giveTo(folder, target, copyRam);

/** What was never touched takes no room, and by its time the copy is known as the one that was kept. */
async function copyRam(from: string, to: string): Promise<void> {
  try {
    // It skips what was never touched, where Node can only read it all.
    await runProgram('cp', ['--sparse=always', '--reflink=auto', '--preserve=timestamps', from, to]);
  } catch {
    // That of busybox knows none of these.
    await rm(to, { force: true });
    await withFile(from, async (file) => {
      const { size, atimeMs, mtimeMs } = await file.stat();
      await copyHoles(file.fd, Buffer.from(to), size);
      await utimes(to, Math.round(atimeMs) / 1_000, Math.round(mtimeMs) / 1_000);
    });
  }
}

/** The rest is never written to again in either. */
async function giveTo(
  folder: string,
  target: string,
  giveRam: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  const kept = await keptMemory(folder);
  const { ram, state, manifest, ramHash } = memoryFiles;
  if (kept?.ramIn === 'file') await giveRam(join(folder, ram), join(target, ram));
  for (const name of [state, manifest]) await link(join(folder, name), join(target, name));
  const hash = join(folder, ramHash);
  const isKnown = kept !== undefined && (await readRamHash(hash, kept.state.sha256)) !== undefined;
  if (isKnown) await link(hash, join(target, ramHash));
  if (kept !== undefined) await shareLayerHashes(folder, target);
}

/** Whether the file of the memory is nobody else's too: of no copy, and of no machine that was made of one. */
export const ownsRam = async (folder: string): Promise<boolean> =>
  (await lstat(join(folder, memoryFiles.ram))).nlink === 1;

/** A state of half a megabyte is read in one turn. */
const bytesAtATime = 2 ** 20;

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: bytesAtATime }), hash);
  return hash.digest('hex');
}

async function shapeOf(path: string): Promise<Shape> {
  const found = await lstat(path);
  if (!found.isFile()) throw new Error(`${path} is no file`);
  const { size: bytes, mtimeMs, ino: inode, birthtimeMs: bornMs, ctimeMs: changedMs } = found;
  return { bytes, modifiedMs: Math.round(mtimeMs), file: { inode, bornMs, changedMs } };
}

interface Shape extends Required<NonNullable<SavedMemory['ram']>> {
  readonly file: Required<RamFile>;
}

const isFile = (one: RamFile, other: RamFile): boolean =>
  one.inode === other.inode && one.bornMs === other.bornMs;

const bytes = integer('bytes', 0, Number.MAX_SAFE_INTEGER);

const savedMemory: t.Type<SavedMemory, unknown> = closed(
  'the memory of a machine',
  {
    version: t.literal(1),
    vm: vmConfig,
    ramIn: oneOf(['file', 'state']),
    state: closed('the state of a machine', { bytes, sha256: t.string }, {}),
  },
  {
    layers: keptLayers,
    isReady: t.literal(false),
    boot: keptBoot,
    ram: closed(
      'the file of a memory',
      { bytes },
      {
        modifiedMs: t.number,
        file: closed('a file', { inode: t.number, bornMs: t.number }, { changedMs: t.number }),
      },
    ),
  },
);
