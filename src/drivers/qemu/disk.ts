import * as t from 'io-ts';
import {
  chmod,
  chown,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer, oneOf, text } from '../../codecs/scalars.js';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { createFileIdentities, type FileIdentity, fileIdentityFields } from './fileIdentity.js';
import type { Image } from './image.js';
import { readJson, writeJson } from './jsonFile.js';
import type { Programs } from './programs.js';
import { emptyQcow2, type Qcow2, readQcow2 } from './qcow2.js';
import type { QemuUser } from './qemuUser.js';

/**
 * The disk of a virtual machine: the image's own, and layers on top of it, each with what was written since the one below
 * was frozen. Only the topmost is ever written to. The others never change, so that disks that were copied share them as hard
 * links: whoever is deleted first takes nothing from the others.
 */
export interface Disk {
  readonly base: FileIdentity & {
    readonly file: string;
    readonly format: 'raw' | 'qcow2';
    /** What that lies on itself, in the image. */
    readonly below?: readonly (FileIdentity & { readonly file: string })[];
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

/** The file of any layer, and how long it was when nothing was written to it yet. */
export interface LayerFile {
  readonly file: string;
  readonly emptyBytes: number;
}

/** Makes and copies the disks of folders. */
export interface Disks {
  /** Begins a disk in a folder, on top of an image's. */
  begin(folder: string, base: NonNullable<Image['disk']>): Promise<void>;
  /**
   * The topmost layer of the disk in a folder; `undefined` where there is none. Fails when the image's own has changed, or a layer
   * does not lie on that which it is to lie on.
   */
  top(folder: string): Promise<Layer | undefined>;
  /** All layers of the disk in a folder, lowest first; none where there is no disk. */
  layers(folder: string): Promise<readonly LayerFile[]>;
  /**
   * Makes another layer, empty, on top of the one that a running machine writes to, which is known by its node, and names it.
   * It is recorded before the machine takes it up: an empty layer too many does no harm, one too few would. `undefined` where
   * that one is empty itself. A machine that runs as a user of its own is let open it, and read it later.
   */
  add(folder: string, below: string, user?: QemuUser): Promise<Layer | undefined>;
  /** Lets the user as whom a machine runs read a layer, or write to it too. QEMU opens it anew once another lies on top. */
  letIn(folder: string, layer: Layer, user: QemuUser | undefined, mode: 'read' | 'write'): Promise<void>;
  /** Undoes an `add` that was not taken up. */
  remove(folder: string, topmost: Layer): Promise<void>;
  /**
   * Gives another folder the same disk. Where the topmost layer was written to, both get an empty one on top of it. No machine
   * may run on it, unless its topmost layer was added for this. Fails when the folder is not there.
   */
  copy(folder: string, target: string): Promise<void>;
}

/** Creates {@link Disks}; the given `qemu-img` says what it finds in the disk of an image. Long for its number of small methods. */
export function createDisks(qemuImg: string, { run }: Programs): Disks {
  const identities = createFileIdentities();
  const read = (folder: string): Promise<Disk> => readJson(join(folder, record), disk);
  const has = async (folder: string): Promise<boolean> =>
    (await lstat(join(folder, record)).catch(() => undefined)) !== undefined;

  const checkBase = async ({ base }: Disk): Promise<void> => {
    for (const each of [base, ...(base.below ?? [])]) {
      const isSame = await identities.isSame(each.file, each).catch(() => undefined);
      if (isSame === true) continue;
      const change = isSame === undefined ? 'is gone' : 'was changed';
      throw new LaunchFailed({
        reason: `the disk of the image, ${each.file}, ${change} since the instance was made of it`,
      });
    }
  };

  /** What a layer lies on stands in it, and QEMU opens whatever that is. */
  const checkLayer = async (folder: string, known: Disk, index: number): Promise<void> => {
    const path = join(folder, layer(index).file);
    const is = await readQcow2(path);
    const was: Qcow2 = { size: known.size, backing: belowOf(known, index) };
    if (!isDeepStrictEqual(is, was)) {
      throw new LaunchFailed({
        reason: `the disk of the instance is damaged: ${path} is ${JSON.stringify(is)}, not ${JSON.stringify(was)}`,
      });
    }
  };

  /** QEMU itself has to understand all of it. */
  const sizeOfQcow2 = async (file: string): Promise<number> => {
    const info = await run(qemuImg, ['info', '--output=json', '-U', '-f', 'qcow2', file]);
    return decodeOrThrow(qemuImgInfo, JSON.parse(info))['virtual-size'];
  };

  const grow = async (folder: string, known: Disk): Promise<Disk> => {
    const { size, layers } = known;
    const { file } = layer(layers.length);
    const part = join(folder, `${file}.part`);
    const bytes = emptyQcow2(size, belowOf(known, layers.length));
    // Whatever was left there, a link too.
    await rm(part, { force: true });
    await writeFile(part, bytes, { flag: 'wx', mode: 0o600 });
    const grown = { ...known, layers: [...layers, bytes.length] };
    // A QEMU may still hold the file of one that it never took up: this is another.
    await rename(part, join(folder, file));
    await writeJson(join(folder, record), grown);
    return grown;
  };

  const isFresh = async (folder: string, { layers }: Disk): Promise<boolean> =>
    (await stat(join(folder, topOf(layers).file))).size === layers.at(-1);

  return {
    begin: async (folder, { file, format, below = [] }) => {
      const [size, base, ...others] = await Promise.all([
        format === 'raw' ? sizeOfRaw(file) : sizeOfQcow2(file),
        ...[file, ...below].map((each) => identities.of(each)),
      ]);
      const rest = below.map((each, index) => ({ file: each, ...(others[index] as FileIdentity) }));
      const known = { file, format, ...(base as FileIdentity), ...(rest.length > 0 && { below: rest }) };
      await grow(folder, { base: known, size, layers: [] });
    },

    top: async (folder) => {
      if (!(await has(folder))) return undefined;
      const known = await read(folder);
      const checks = known.layers.map((_, index) => checkLayer(folder, known, index));
      await Promise.all([checkBase(known), ...checks]);
      return topOf(known.layers);
    },

    layers: async (folder) =>
      (await has(folder))
        ? (await read(folder)).layers.map((emptyBytes, index) => ({ file: layer(index).file, emptyBytes }))
        : [],

    letIn,

    add: async (folder, below, user) => {
      const known = await read(folder);
      const count = known.layers.findIndex((_, index) => layer(index).node === below) + 1;
      if (count === 0)
        throw new Error(`the disk is in use: QEMU writes to it by "${below}", which is none of its layers`);
      const taken = { ...known, layers: known.layers.slice(0, count) };
      if (!(await isFresh(folder, taken))) {
        const added = topOf((await grow(folder, taken)).layers);
        await letIn(folder, added, user, 'write');
        return added;
      }
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

/** By the group: a user who owned it could change who may write to it, also once others share it. */
async function letIn(
  folder: string,
  { file }: Layer,
  user: QemuUser | undefined,
  mode: 'read' | 'write',
): Promise<void> {
  if (user === undefined) return;
  const path = join(folder, file);
  await chown(path, 0, user.gid);
  await chmod(path, mode === 'read' ? 0o640 : 0o660);
}

/** What a layer lies on, as it stands in it. */
const belowOf = ({ base }: Disk, index: number): { readonly file: string; readonly format: string } =>
  index === 0 ? { file: base.file, format: base.format } : { file: layer(index - 1).file, format: 'qcow2' };

const layer = (index: number): Layer => ({
  file: `disk-${String(index)}.qcow2`,
  node: `disk${String(index)}`,
});

const topOf = (layers: readonly number[]): Layer => layer(layers.length - 1);

const sector = 512;

/** QEMU takes a part of a sector for a whole one. */
const sizeOfRaw = async (file: string): Promise<number> =>
  sector * Math.ceil((await stat(file)).size / sector);

const filePath = text('an absolute path', (path) => isAbsolute(path) && !/\p{Cc}/u.test(path));
const bytes = integer('bytes', 0, Number.MAX_SAFE_INTEGER);

const qemuImgInfo = t.type({ 'virtual-size': bytes });

const disk: t.Type<Disk, unknown> = closed(
  'a disk',
  {
    base: closed(
      'the disk of an image',
      { file: filePath, format: oneOf(['raw', 'qcow2']), ...fileIdentityFields.required },
      {
        ...fileIdentityFields.optional,
        below: t.readonlyArray(
          closed(
            'a file below it',
            { file: filePath, ...fileIdentityFields.required },
            fileIdentityFields.optional,
          ),
        ),
      },
    ),
    size: bytes,
    layers: t.readonlyArray(bytes),
  },
  {},
);
