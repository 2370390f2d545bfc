import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { decode, found } from '../../codecs/decode.js';
import { integer, oneOf, text } from '../../codecs/scalars.js';
import { describeFault, type Fault, InvalidRequest, LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { type AgentVersion, agentVersion } from './agentVersion.js';
import { imageUnreadable } from '../imageUnreadable.js';
import { openPlain, readPlain } from './plainFile.js';
import { readQcow2 } from './qcow2.js';

/**
 * What a virtual machine starts from: a directory with an `image.json` that names the files in it. All paths are absolute and without
 * links, so that a link that is switched changes nothing for whoever knows them.
 */
export interface Image {
  readonly directory: string;
  /** Its files by the names that they have in the `image.json`. */
  readonly files: Readonly<Record<string, string>>;
  /** As QEMU's `-kernel` takes it. */
  readonly kernel: string;
  readonly initrd?: string;
  /** Never written to: each machine has a disk of its own on top of it. */
  readonly disk?: {
    readonly file: string;
    readonly format: 'raw' | 'qcow2';
    /** The files that it lies on itself, all in the image too; absent where it lies on none. */
    readonly below?: readonly string[];
  };
  readonly kernelArguments: readonly string[];
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Absent where the host decides. */
  readonly accel?: 'kvm' | 'tcg';
  /** What the agent in it understands; absent where it has none. */
  readonly agent?: AgentVersion;
}

const description = 'image.json';
const mostDescriptionBytes = 1_024 * 1_024;
/** Of files that lie on one another. */
const mostBelow = 32;

/**
 * Reads what an image is, and sees that its files are there; `known` are files by their names, as they were found before.
 *
 * @throws {@link LaunchFailed} for an image that can't be used; what is wrong with the `image.json`, or with a file that it
 * names, stands in an {@link InvalidRequest} as the cause
 */
export async function readImage(directory: string, known: Image['files'] = {}): Promise<Image> {
  if (!isAbsolute(directory) || /\p{Cc}/u.test(directory)) {
    const expected = 'an absolute path without control characters';
    const fault = { path: 'image', found: found(directory), expected };
    throw new LaunchFailed(
      { reason: `the image ${found(directory)} is no absolute path` },
      {
        cause: new InvalidRequest({ faults: [fault] }),
      },
    );
  }
  const folder = await realDirectory(directory);
  const said = decode(imageFile, await readDescription(directory, folder));
  if (E.isLeft(said)) throw unusable(directory, said.left);
  const { kernel, initrd, disk, kernelArguments = [], memoryMiB = 128, vcpus = 1, accel, agent } = said.right;

  const names = { kernel, initrd, 'disk.file': disk?.file };
  const looked = Object.entries(names).map(async ([path, name = '']) =>
    name === '' ? E.right('') : fileIn(folder, path, name, known[name] ?? join(folder, name)),
  );
  const [kernelFile = '', initrdFile = '', diskFile = ''] = rightsOrThrow(
    directory,
    await Promise.all(looked),
  );
  const below = disk?.format === 'qcow2' ? await filesBelow(folder, diskFile) : [];
  if ('fault' in below) throw unusable(directory, [{ path: 'disk.file', ...below.fault }]);

  return {
    directory: folder,
    files: {
      [kernel]: kernelFile,
      ...(initrd !== undefined && { [initrd]: initrdFile }),
      ...(disk !== undefined && { [disk.file]: diskFile }),
    },
    kernel: kernelFile,
    ...(initrd !== undefined && { initrd: initrdFile }),
    ...(disk !== undefined && { disk: { ...disk, file: diskFile, ...(below.length > 0 && { below }) } }),
    kernelArguments,
    memoryMiB,
    vcpus,
    ...(accel !== undefined && { accel }),
    ...(agent !== undefined && { agent }),
  };
}

/** Its path without links. */
async function realDirectory(directory: string): Promise<string> {
  try {
    // The slash lets a file fail.
    await stat(`${directory}/`);
    return await realpath(directory);
  } catch (error) {
    throw imageUnreadable(directory, error);
  }
}

async function readDescription(directory: string, folder: string): Promise<unknown> {
  let json: string;
  try {
    const path = await realpath(join(folder, description));
    if (!isWithin(folder, path)) throw new Error('it is a link out of the image');
    json = await readPlain(path, mostDescriptionBytes);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing
      ? 'has no image.json'
      : `has an image.json that cannot be read: ${messageOf(error)}`;
    throw new LaunchFailed({ reason: `the image ${directory} ${reason}` }, { cause: error });
  }
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    const broken = `broken JSON (${messageOf(error)})`;
    throw unusable(directory, [{ path: description, found: broken, expected: 'JSON' }]);
  }
}

const unusable = (directory: string, faults: readonly Fault[]): LaunchFailed =>
  new LaunchFailed(
    { reason: `the image ${directory} cannot be used: ${faults.map(describeFault).join('; ')}` },
    {
      cause: new InvalidRequest({ faults }),
    },
  );

/** The real path of a file that has to be in the image, or what is wrong with it. */
async function fileIn(
  folder: string,
  path: string,
  name: string,
  place: string,
): Promise<E.Either<Fault, string>> {
  const fault = (what: string) =>
    E.left({ path, found: `${found(name)}, ${what}`, expected: 'a file in the image that can be read' });
  try {
    const file = await realpath(place);
    if (!isWithin(folder, file)) return fault('a link out of the image');
    if (!(await stat(file)).isFile()) return fault('which is no file');
    await (await openPlain(file)).close();
    return E.right(file);
  } catch (error) {
    return fault(messageOf(error));
  }
}

function rightsOrThrow(directory: string, looked: readonly E.Either<Fault, string>[]): readonly string[] {
  const faults = looked.flatMap((each) => (E.isLeft(each) ? [each.left] : []));
  if (faults.length > 0) throw unusable(directory, faults);
  return looked.flatMap((each) => (E.isRight(each) ? [each.right] : []));
}

const isWithin = (folder: string, path: string): boolean =>
  path.startsWith(folder === sep ? sep : folder + sep);

/**
 * The files that a qcow2 file lies on, by what stands in it and in those. QEMU would open whatever is named there: so all have to
 * be files in the image, whose formats are said and not guessed. What a file in another place holds cannot be followed at all.
 */
async function filesBelow(
  folder: string,
  disk: string,
): Promise<readonly string[] | { readonly fault: Omit<Fault, 'path'> }> {
  const files: string[] = [];
  for (let file = disk; ;) {
    const fault = (what: string, expected: string) => ({
      fault: { found: `${found(file)}, ${what}`, expected },
    });
    const header = await readQcow2(file).catch((error: unknown) => messageOf(error));
    if (typeof header === 'string') return fault(header, 'a qcow2 file');
    const { backing, dataFile } = header;
    if (dataFile !== undefined) return fault('whose content lies in another file', 'a disk in one file');
    if (backing === undefined) return files;
    const { file: name, format } = backing;
    const expected = 'a disk on top of nothing, or of a raw or qcow2 file in the image';
    if (!isPath(name)) return fault(`which lies on ${found(name)}`, expected);
    if (format !== 'raw' && format !== 'qcow2')
      return fault(`which lies on a file of the format ${found(format)}`, expected);
    const next = resolve(dirname(file), name);
    const there = await fileIn(folder, '', name, next);
    if (E.isLeft(there) || files.length === mostBelow) return fault(`which lies on ${found(name)}`, expected);
    // QEMU goes by this name, not by the one without links.
    files.push(next);
    if (format === 'raw') return files;
    file = next;
  }
}

/** QEMU takes what begins like an address for one. */
const isPath = (name: string): boolean => !/^$|^[^/]*:|\p{Cc}/u.test(name);

const fileName = text(
  'a path within the image (relative, no "..", no control characters)',
  (name) => !/^$|^\/|\p{Cc}|\/$/u.test(name) && name.split('/').every((part) => part !== '..'),
);

const imageFile = closed(
  'an image',
  { version: t.literal(1), kernel: fileName },
  {
    initrd: fileName,
    disk: closed('a disk', { file: fileName, format: oneOf(['raw', 'qcow2']) }, {}),
    kernelArguments: t.readonlyArray(
      text('a text without control characters', (value) => !/\p{Cc}/u.test(value)),
      'arguments (an array of texts)',
    ),
    memoryMiB: integer('MiB', 16, 1_048_576),
    vcpus: integer('processors', 1, 256),
    accel: oneOf(['kvm', 'tcg']),
    agent: agentVersion,
  },
);
