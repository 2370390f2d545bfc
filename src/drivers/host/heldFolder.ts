import { closeSync, constants, open, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { namedError } from './namedError.js';

/**
 * A directory that is held open. On Linux its entries are reached through the descriptor: it is this very directory, whatever
 * its name leads to by now. Elsewhere they are reached by its path, which somebody may have put something else in the place of.
 */
export interface HeldFolder {
  readonly fd: number;
  /** The path by which it is reached. */
  readonly path: Buffer;
  /** The path by which an entry is reached, as bytes: a name need not be UTF-8. */
  within(name: Buffer | string): Buffer;
  /** The path by which an entry is reached that was opened. */
  opened(name: Buffer, fd: number): Buffer;
  /** The path by which the directory is reached that it lies in by now. */
  readonly above: Buffer;
  close(): void;
}

const openFd = promisify(open);

/** As bytes, of which a path is made. */
const bytesOf = (path: Buffer | string): Buffer => (typeof path === 'string' ? Buffer.from(path) : path);

/** Opens a directory; one that is reached by a link is none (`ENOTDIR` or `ELOOP`). */
export async function holdFolder(path: Buffer | string, platform: NodeJS.Platform): Promise<HeldFolder> {
  return heldBy(await openFd(path, folderFlags), path, platform);
}

/** Opens a directory as {@link holdFolder} does, at once: a twentieth of its time, for who opens one after another. */
export const holdFolderNow = (path: Buffer, platform: NodeJS.Platform): HeldFolder =>
  heldBy(openSync(path, folderFlags), path, platform);

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

function heldBy(fd: number, path: Buffer | string, platform: NodeJS.Platform): HeldFolder {
  const byFd = platform === 'linux';
  const base = byFd ? pathOf(fd) : bytesOf(path);
  let isHeld = true;
  // By now the descriptor may be that of another one.
  const held = <T>(value: T): T => {
    if (isHeld) return value;
    throw new Error(`${path.toString()} is not held any more`);
  };
  const within = (name: Buffer | string): Buffer => Buffer.concat([held(base), slash, bytesOf(name)]);
  return {
    get fd() {
      return held(fd);
    },
    get path() {
      return held(base);
    },
    within,
    opened: (name, opened) => (byFd ? pathOf(opened) : within(name)),
    get above() {
      return byFd ? within('..') : Buffer.from(dirname(base.toString('latin1')), 'latin1');
    },
    close: () => {
      isHeld = false;
      // Of a directory nothing has to be written: it takes no time.
      closeSync(fd);
    },
  };
}

/**
 * Opens a directory as {@link holdFolder} does, where the one that it lies in is reached by no link either: a program can put one in the
 * place of its home.
 */
export async function holdWithin(path: string, platform: NodeJS.Platform): Promise<HeldFolder> {
  const name = basename(path);
  if (platform !== 'linux' || name === '') return holdFolder(path, platform);
  const { O_DIRECTORY, O_NOFOLLOW } = constants;
  const parent = await openFd(dirname(path), pathOnly | O_DIRECTORY | O_NOFOLLOW);
  try {
    return await holdFolder(Buffer.concat([pathOf(parent), slash, Buffer.from(name)]), platform);
  } catch (error) {
    throw namedError(error, path);
  } finally {
    closeSync(parent);
  }
}

/** Linux's `O_PATH`, which Node does not name: opens what may not be read. */
export const pathOnly = 0o10000000;

const pathOf = (fd: number): Buffer => Buffer.from(`/proc/self/fd/${String(fd)}`);

const slash = Buffer.from('/');
