import { randomBytes } from 'node:crypto';
import { constants, promises as fs, type Stats } from 'node:fs';
import { defer, from, noop, Observable } from 'rxjs';
import { FileFailed } from '../../lifecycle/errors.js';
import type { WriteOptions } from '../../lifecycle/fileAccess.js';
import type { FileStat } from '../../lifecycle/fileStat.js';
import type { DriverFiles } from '../driver.js';
import { codeOf } from './codeOf.js';
import { eachAtOnce } from './eachAtOnce.js';
import { entriesOf } from './entriesOf.js';
import { type HeldFolder, holdFolder, holdWithin } from './heldFolder.js';
import { HeldTree } from './heldTree.js';
import { removeEntry } from './removeTree.js';
import { createSlots } from './slots.js';
import { ownerWithin } from './ownerWithin.js';
import { statOf } from './statOf.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

const pieceBytes = 64 * 1_024;
const looksAtOnce = 64;
const looks = createSlots(looksAtOnce);

/** Where something is, or is to be: its name in a directory that is held open. */
interface Place {
  readonly folder: HeldFolder;
  readonly name: string;
}

/**
 * The files of an instance that lie below a folder of this host. On Linux every path is gone down by descriptors; elsewhere a program that swaps a
 * directory for a link in that moment can lead out.
 */
export function filesBeneath(
  root: () => Promise<string>,
  platform: NodeJS.Platform = process.platform,
): DriverFiles {
  /** Goes down to a directory, and holds it open while something is done in it. */
  const inFolder = async <T>(
    parts: readonly string[],
    work: (folder: HeldFolder) => Promise<T>,
    before?: (place: Place) => Promise<unknown>,
  ): Promise<T> => {
    let folder = await holdWithin(await root(), platform);
    try {
      for (const part of parts) {
        await before?.({ folder, name: part });
        const next = await holdFolder(folder.within(part), platform);
        folder.close();
        folder = next;
      }
      return await work(folder);
    } finally {
      folder.close();
    }
  };

  /** Does something where a path ends; the top itself is in no directory. */
  const begin = <T>(verb: string, path: string, work: (place: Place) => Promise<T>): Promise<T> =>
    named(verb, path, async () => {
      const parts = partsOf(path);
      const name = parts.pop();
      if (name === undefined) throw withCode('EISDIR');
      return inFolder(parts, (folder) => work({ folder, name }));
    });

  const at = <T>(verb: string, path: string, work: (place: Place) => Promise<T>): Observable<T> =>
    defer(() => from(begin(verb, path, work)));
  const told = <T>(verb: string, path: string, work: () => Promise<T>): Observable<T> =>
    defer(() => from(named(verb, path, work)));

  /** @param before - is done before each directory of the path is entered */
  const statOfFolder = (path: string, before?: (place: Place) => Promise<unknown>): Promise<FileStat> =>
    inFolder(partsOf(path), async (folder) => statOf(path, await fs.stat(folder.path)), before);

  return {
    stat: (path) =>
      path === ''
        ? told('stat', path, () => statOfFolder(path))
        : at('stat', path, (place) => lookAt(place, path)),

    list: (path) =>
      told('list', path, () =>
        inFolder(partsOf(path), async (folder) => {
          const found: FileStat[] = [];
          const entries = await entriesOf(folder, Infinity);
          await eachAtOnce(entries, looks, looksAtOnce, async ({ name: bytes }) => {
            const name = bytes.toString();
            try {
              found.push(await lookAt({ folder, name }, path === '' ? name : `${path}/${name}`));
            } catch (error) {
              // It is gone by now.
              if (codeOf(error) !== 'ENOENT') throw error;
            }
          });
          return found.sort((one, other) => (one.path < other.path ? -1 : 1));
        }),
      ),

    read: (path) =>
      opened(
        () => begin('read', path, ({ folder, name }) => openPlain(folder.within(name), O_RDONLY)),
        (file, complete) => ({
          read: () =>
            named('read', path, async () => {
              const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes);
              if (bytesRead > 0) return buffer.subarray(0, bytesRead);
              complete();
              return undefined;
            }),
        }),
        (file) => file.close(),
      ),

    write: (path, options) =>
      opened(
        () => begin('write', path, (place) => beginFile(place, path, options, platform)),
        ({ file, finish }, complete) => ({
          write: (data) =>
            named('write', path, async () => {
              for (let written = 0; written < data.length;)
                written += (await file.write(data, written, data.length - written)).bytesWritten;
            }),
          finish: () =>
            named('write', path, async () => {
              const found = statOf(path, await finish());
              complete();
              return found;
            }),
        }),
        ({ close }) => close(),
      ),

    mkdir: (path, { recursive = false, mode = 0o755 }) =>
      recursive
        ? told('make', path, () => statOfFolder(path, (place) => makeFolder(place, mode, true, platform)))
        : at('make', path, async (place) => {
            await makeFolder(place, mode, false, platform);
            return lookAt(place, path);
          }),

    remove: (path, { recursive = false }) =>
      at('remove', path, async (place) => {
        const { folder, name } = place;
        const it = await lookAt(place, path);
        if (recursive) await removeEntry(folder, name, path, platform);
        else if (it.kind === 'directory') await fs.rmdir(folder.within(name));
        else await fs.unlink(folder.within(name));
        return it;
      }),

    rename: (source, target) =>
      at('rename', source, (one) =>
        named('rename', target, () => {
          const parts = partsOf(target);
          const name = parts.pop();
          if (name === undefined) throw withCode('EEXIST');
          return inFolder(parts, async (folder) => {
            await named('rename', source, () => fs.lstat(one.folder.within(one.name)));
            await fs.rename(one.folder.within(one.name), folder.within(name));
            return lookAt({ folder, name }, target);
          });
        }),
      ),

    tree: (path) =>
      opened(
        () =>
          named('open', path, () =>
            inFolder(
              partsOf(path),
              async (folder) => new HeldTree(await holdAgain(folder, platform), path, platform),
            ),
          ),
        (tree) => tree,
        (tree) => {
          tree.close();
          return Promise.resolve();
        },
      ),
  };
}

const partsOf = (path: string): string[] => (path === '' ? [] : path.split('/'));

/** Does something, and tells what fails by the path that its caller knows. */
async function named<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileFailed || codeOf(error) === '') throw error;
    throw new FileFailed({ verb, path, code: codeOf(error) }, { cause: error });
  }
}

async function lookAt({ folder, name }: Place, path: string): Promise<FileStat> {
  const found = await fs.lstat(folder.within(name));
  if (!found.isSymbolicLink()) return statOf(path, found);
  return { ...statOf(path, found), target: await fs.readlink(folder.within(name)) };
}

/** Opens a plain file, and nothing else: a pipe would make it wait, a device do anything. */
async function openPlain(place: Buffer, flags: number): Promise<fs.FileHandle> {
  const file = await fs.open(place, flags | O_NOFOLLOW | O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.isFile()) return file;
    throw withCode(found.isDirectory() ? 'EISDIR' : 'EINVAL');
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Emits something made of what is opened, which is closed once that is complete, fails, or is unsubscribed. */
const opened = <Held, Emitted>(
  open: () => Promise<Held>,
  emitted: (held: Held, complete: () => void) => Emitted,
  close: (held: Held) => Promise<void>,
): Observable<Emitted> =>
  new Observable((subscriber) => {
    open().then(
      (held) => {
        subscriber.add(() => {
          close(held).catch(noop);
        });
        const complete = (): void => {
          subscriber.complete();
        };
        subscriber.next(emitted(held, complete));
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  });

/** A file that is not in its place yet. */
interface Begun {
  readonly file: fs.FileHandle;
  /** Puts it there. */
  finish(): Promise<Stats>;
  /** Closes it, and removes what is not in its place. */
  close(): Promise<void>;
}

/** Begins a file beside the place where it is to be, in a directory that is held until it is closed. */
async function beginFile(
  { folder, name }: Place,
  path: string,
  options: WriteOptions,
  platform: NodeJS.Platform,
): Promise<Begun> {
  const before = await lookAt({ folder, name }, path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (before?.kind === 'directory') throw withCode('EISDIR');
  const mode = options.mode ?? (before?.kind === 'file' ? before.mode & 0o777 : 0o644);
  const held = await holdAgain(folder, platform);
  const part = held.within(`.${randomBytes(6).toString('hex')}.part`);
  try {
    const file = await fs.open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const owner = ownerWithin(held);
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    return {
      file,
      finish: async () => {
        await file.chmod(mode);
        await fs.rename(part, held.within(name));
        return file.stat();
      },
      close: async () => {
        await file.close();
        await fs.rm(part, { force: true });
        held.close();
      },
    };
  } catch (error) {
    held.close();
    throw error;
  }
}

/** Holds a directory once more, for longer than whoever holds it. */
const holdAgain = (folder: HeldFolder, platform: NodeJS.Platform): Promise<HeldFolder> =>
  holdFolder(platform === 'linux' ? folder.within('.') : folder.path, platform);

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

async function makeFolder(
  { folder, name }: Place,
  mode: number,
  isContent: boolean,
  platform: NodeJS.Platform,
): Promise<void> {
  try {
    await fs.mkdir(folder.within(name));
  } catch (error) {
    if (!isContent || codeOf(error) !== 'EEXIST') throw error;
    return;
  }
  // By its descriptor: a link may stand in its place by now.
  const made = await holdFolder(folder.within(name), platform);
  try {
    const owner = ownerWithin(folder);
    if (owner !== undefined) await fs.chown(made.path, owner.uid, owner.gid);
    await fs.chmod(made.path, mode);
  } finally {
    made.close();
  }
}
