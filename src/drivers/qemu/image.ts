import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { decode, found } from '../../codecs/decode.js';
import { integer, oneOf, text } from '../../codecs/scalars.js';
import { describeFault, type Fault, InvalidRequest, LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { imageUnreadable } from '../imageUnreadable.js';

/** What a virtual machine starts from: a directory with an `image.json` that names the files in it. All paths are absolute. */
export interface Image {
  readonly directory: string;
  /** As QEMU's `-kernel` takes it. */
  readonly kernel: string;
  readonly initrd?: string;
  /** Never written to: each machine has a disk of its own on top of it. */
  readonly disk?: { readonly file: string; readonly format: 'raw' | 'qcow2' };
  readonly kernelArguments: readonly string[];
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Absent where the host decides. */
  readonly accel?: 'kvm' | 'tcg';
}

const description = 'image.json';

/**
 * Reads what an image is, and sees that its files are there.
 *
 * @throws {@link LaunchFailed} for an image that can't be used; what is wrong with the `image.json`, or with a file that it
 * names, stands in an {@link InvalidRequest} as the cause
 */
export async function readImage(directory: string): Promise<Image> {
  if (!isAbsolute(directory)) {
    const fault = { path: 'image', found: found(directory), expected: 'an absolute path' };
    throw new LaunchFailed(`the image "${directory}" is no absolute path`, {
      cause: new InvalidRequest([fault]),
    });
  }
  const folder = await realDirectory(directory);
  const said = decode(imageFile, await readDescription(directory));
  if (E.isLeft(said)) throw unusable(directory, said.left);
  const { kernel, initrd, disk, kernelArguments = [], memoryMiB = 128, vcpus = 1, accel } = said.right;

  const names = { kernel, initrd, 'disk.file': disk?.file };
  const checks = Object.entries(names).map(([path, name]) => faultsOfFile(folder, path, name));
  const faults = (await Promise.all(checks)).flat();
  if (faults.length > 0) throw unusable(directory, faults);

  return {
    directory,
    kernel: join(directory, kernel),
    ...(initrd === undefined ? {} : { initrd: join(directory, initrd) }),
    ...(disk === undefined ? {} : { disk: { ...disk, file: join(directory, disk.file) } }),
    kernelArguments,
    memoryMiB,
    vcpus,
    ...(accel === undefined ? {} : { accel }),
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

async function readDescription(directory: string): Promise<unknown> {
  const path = join(directory, description);
  let json: string;
  try {
    // Before it is opened: opening a pipe waits for its other end.
    if (!(await stat(path)).isFile()) throw new Error('it is no file');
    json = await readFile(path, 'utf8');
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing
      ? 'has no image.json'
      : `has an image.json that cannot be read: ${messageOf(error)}`;
    throw new LaunchFailed(`the image ${directory} ${reason}`, { cause: error });
  }
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    const broken = `broken JSON (${messageOf(error)})`;
    throw unusable(directory, [{ path: description, found: broken, expected: 'JSON' }]);
  }
}

const unusable = (directory: string, faults: readonly Fault[]): LaunchFailed =>
  new LaunchFailed(`the image ${directory} cannot be used: ${faults.map(describeFault).join('; ')}`, {
    cause: new InvalidRequest(faults),
  });

async function faultsOfFile(folder: string, path: string, name?: string): Promise<readonly Fault[]> {
  if (name === undefined) return [];
  const faults = (what: string): readonly Fault[] => [
    { path, found: `${found(name)}, ${what}`, expected: 'a file in the image that can be read' },
  ];
  try {
    const file = await realpath(join(folder, name));
    if (!file.startsWith(folder === sep ? sep : folder + sep)) return faults('a link out of the image');
    if (!(await stat(file)).isFile()) return faults('which is no file');
    await (await open(file)).close();
    return [];
  } catch (error) {
    return faults(messageOf(error));
  }
}

const fileName = text(
  'a path within the image (relative, no "..")',
  (name) => !/^$|^\/|\0|\/$/.test(name) && name.split('/').every((part) => part !== '..'),
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
  },
);
