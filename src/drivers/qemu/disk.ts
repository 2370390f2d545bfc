import * as t from 'io-ts';
import { copyFile, link, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { integer, oneOf } from '../../codecs/scalars.js';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Image } from './image.js';
import { readJson, writeJson } from './jsonFile.js';
import { runQemu } from './qemuProgram.js';

/**
 * The disk of a virtual machine: the image's own, and layers on top of it, each with what was written since the one below
 * was frozen. Only the topmost is ever written to. The others never change, so that disks that were copied share them as hard
 * links: whoever is deleted first takes nothing from the others.
 */
export interface Disk {
  readonly base: {
    readonly file: string;
    readonly format: 'raw' | 'qcow2';
    readonly bytes: number;
    readonly modifiedMs: number;
  };
  /** What the guest sees, in bytes. */
  readonly size: number;
  /** How long the file of each layer was when it was made, lowest first. Whatever is written makes it longer. */
  readonly layers: readonly number[];
}

const record = 'disk.json';

/** The topmost layer: the name of its file and of its node in QEMU, both relative. */
export interface Layer {
  readonly file: string;
  readonly node: string;
}

/** Makes and copies the disks of folders. */
export interface Disks {
  /** Begins a disk in a folder, on top of an image's. */
  begin(folder: string, base: NonNullable<Image['disk']>): Promise<void>;
  /** The topmost layer of the disk in a folder; `undefined` where there is none. Fails when the image's own has changed. */
  top(folder: string): Promise<Layer | undefined>;
  /**
   * Makes another layer, empty, on top of the one that a running machine writes to, which is known by its node, and names it.
   * It is recorded before the machine takes it up: an empty layer too many does no harm, one too few would. `undefined` where
   * that one is empty itself.
   */
  add(folder: string, below: string): Promise<Layer | undefined>;
  /** Undoes an `add` that was not taken up. */
  remove(folder: string, topmost: Layer): Promise<void>;
  /**
   * Gives another folder the same disk. Where the topmost layer was written to, both get an empty one on top of it. No machine
   * may run on it, unless its topmost layer was added for this. Fails when the folder is not there.
   */
  copy(folder: string, target: string): Promise<void>;
}

/** Creates the {@link Disks} that are made by the given `qemu-img`. */
export function createDisks(qemuImg: string): Disks {
  const read = (folder: string): Promise<Disk> => readJson(join(folder, record), disk);
  const has = async (folder: string): Promise<boolean> =>
    (await stat(join(folder, record)).catch(() => undefined)) !== undefined;

  const grow = async (folder: string, known: Disk): Promise<Disk> => {
    const { base, size, layers } = known;
    const { file } = layer(layers.length);
    const below =
      layers.length === 0
        ? { file: base.file, format: base.format }
        : { file: layer(layers.length - 1).file, format: 'qcow2' };
    const backing = ['-u', '-b', below.file, '-F', below.format];
    const part = `${file}.part`;
    await runQemu(qemuImg, ['create', '-q', '-f', 'qcow2', ...backing, part, String(size)], folder);
    const grown = { ...known, layers: [...layers, (await stat(join(folder, part))).size] };
    // A QEMU may still hold the file of one that it never took up: this is another.
    await rename(join(folder, part), join(folder, file));
    await writeJson(join(folder, record), grown);
    return grown;
  };

  const isFresh = async (folder: string, { layers }: Disk): Promise<boolean> =>
    (await stat(join(folder, topOf(layers).file))).size === layers.at(-1);

  return {
    begin: async (folder, { file, format }) => {
      const { stdout } = await runQemu(qemuImg, ['info', '--output=json', '-U', '-f', format, file]);
      const { 'virtual-size': size } = JSON.parse(stdout) as { readonly 'virtual-size': number };
      const { size: bytes, mtimeMs: modifiedMs } = await stat(file);
      await grow(folder, { base: { file, format, bytes, modifiedMs }, size, layers: [] });
    },

    top: async (folder) => {
      if (!(await has(folder))) return undefined;
      const { base, layers } = await read(folder);
      const now = await stat(base.file).catch(() => undefined);
      if (now?.size !== base.bytes || now.mtimeMs !== base.modifiedMs) {
        const change = now === undefined ? 'is gone' : 'was changed';
        throw new LaunchFailed(
          `the disk of the image, ${base.file}, ${change} since the instance was made of it`,
        );
      }
      return topOf(layers);
    },

    add: async (folder, below) => {
      const known = await read(folder);
      const count = known.layers.findIndex((_, index) => layer(index).node === below) + 1;
      if (count === 0)
        throw new Error(`the disk is in use: QEMU writes to it by "${below}", which is none of its layers`);
      const taken = { ...known, layers: known.layers.slice(0, count) };
      if (!(await isFresh(folder, taken))) return topOf((await grow(folder, taken)).layers);
      if (count < known.layers.length) await writeJson(join(folder, record), taken);
      return undefined;
    },

    remove: async (folder, topmost) => {
      const known = await read(folder);
      if (topOf(known.layers).node !== topmost.node) return;
      await writeJson(join(folder, record), { ...known, layers: known.layers.slice(0, -1) });
    },

    copy: async (folder, target) => {
      if (!(await readdir(folder)).includes(record)) return;
      await mkdir(target, { recursive: true, mode: 0o700 });
      const known = await read(folder);
      const grown = (await isFresh(folder, known)) ? known : await grow(folder, known);
      for (const index of grown.layers.slice(0, -1).keys()) {
        const { file } = layer(index);
        await link(join(folder, file), join(target, file));
      }
      // An empty layer is like any other on top of the same; to have it made takes longer.
      const { file } = topOf(grown.layers);
      await copyFile(join(folder, file), join(target, file));
      await link(join(folder, record), join(target, record));
    },
  };
}

const layer = (index: number): Layer => ({
  file: `disk-${String(index)}.qcow2`,
  node: `disk${String(index)}`,
});

const topOf = (layers: readonly number[]): Layer => layer(layers.length - 1);

const bytes = integer('bytes', 0, Number.MAX_SAFE_INTEGER);

const disk: t.Type<Disk, unknown> = closed(
  'a disk',
  {
    base: closed(
      'the disk of an image',
      { file: t.string, format: oneOf(['raw', 'qcow2']), bytes, modifiedMs: t.number },
      {},
    ),
    size: bytes,
    layers: t.readonlyArray(bytes),
  },
  {},
);
