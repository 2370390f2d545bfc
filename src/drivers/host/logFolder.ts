import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { noop } from 'rxjs';
import { LogUnreadable } from '../../lifecycle/errors.js';

/** The folder of a home's logs, held open: whatever becomes of its name, what is opened in it lies in it. */
export interface LogFolder {
  /** A path by which system calls find what lies in it. */
  pathOf(name: string): string;
  /** The names of what lies in it. Fails with {@link LogUnreadable} when that is more than ours. */
  names(): readonly string[];
  /**
   * Opens a plain file, following no link and waiting for nobody; undefined is none. Fails with {@link LogUnreadable} for
   * what is something else, or has another name somewhere. Who opens it closes it.
   */
  open(name: string, flags: number): LogFile | undefined;
  close(): void;
}

/** A file that is open. */
export interface LogFile {
  readonly fd: number;
  readonly stats: Stats;
}

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const folderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** More than two logs have, with as many parts as can be asked for. */
const mostNames = 2_048;

/** Where a path can begin at a descriptor: on Linux, but not on macOS. */
const hasDescriptorPaths = existsSync('/proc/self/fd');

/**
 * Opens the folder of a home's logs; undefined is none. What runs in a home can put anything in its place, so no link is
 * followed, neither there nor for the home. It is done at once: a thread would take ten times as long.
 */
export function openLogFolder(path: string): LogFolder | undefined {
  const folder = unlessMissing(path, () => (hasDescriptorPaths ? byDescriptor(path) : byName(path)));
  if (folder === undefined) return undefined;

  return {
    pathOf: folder.pathOf,

    names: () => {
      const names: string[] = [];
      const entries = opendirSync(folder.itself);
      try {
        for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
          names.push(entry.name);
          if (names.length > mostNames)
            throw new LogUnreadable({ path, found: `more than ${String(mostNames)} entries` });
        }
      } finally {
        entries.closeSync();
      }
      return names;
    },

    open: (name, flags) => {
      const fd = unlessMissing(join(path, name), () =>
        openSync(folder.pathOf(name), flags | O_NOFOLLOW | O_NONBLOCK, 0o600),
      );
      if (fd === undefined) return undefined;
      try {
        folder.check();
        const stats = fstatSync(fd);
        if (stats.isFile() && stats.nlink === 1) return { fd, stats };
        // It was removed since, as a part is when the log is laid aside.
        if (stats.isFile() && stats.nlink === 0) {
          closeSync(fd);
          return undefined;
        }
        throw new LogUnreadable({
          path: join(path, name),
          found: stats.isFile() ? 'a file with several names' : notPlain,
        });
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },

    close: folder.close,
  };
}

interface Held extends Pick<LogFolder, 'pathOf' | 'close'> {
  /** Its own path. */
  readonly itself: string;
  /** Fails when it is not the one any more that it was. */
  check(): void;
}

function byDescriptor(path: string): Held {
  const homeFd = openSync(dirname(path), folderFlags);
  let fd: number;
  try {
    fd = openSync(`/proc/self/fd/${String(homeFd)}/${basename(path)}`, folderFlags);
  } finally {
    closeSync(homeFd);
  }
  const itself = `/proc/self/fd/${String(fd)}`;
  return {
    itself,
    pathOf: (name) => `${itself}/${name}`,
    check: noop,
    close: () => {
      closeSync(fd);
    },
  };
}

/** Whoever is quick enough to put another folder in its place and back is not found out. */
function byName(itself: string): Held {
  const identity = (): string =>
    [dirname(itself), itself]
      .map((path) => lstatSync(path))
      .map((stats) => (stats.isDirectory() ? `${String(stats.dev)}:${String(stats.ino)}` : 'none'))
      .join();
  const before = identity();
  const check = (): void => {
    if (before.includes('none') || identity() !== before)
      throw new LogUnreadable({ path: itself, found: notFolder });
  };
  check();
  return { itself, pathOf: (name) => join(itself, name), check, close: noop };
}

const notPlain = 'no plain file';
const notFolder = 'no folder of its own';

/** Undefined for what is not there; fails with `LogUnreadable` for what can't be opened because of what it is. */
function unlessMissing<T>(path: string, open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        return undefined;
      case 'ENOTDIR':
        throw new LogUnreadable({ path, found: notFolder });
      case 'ELOOP':
        throw new LogUnreadable({ path, found: 'a link' });
      case 'EISDIR':
      case 'ENXIO':
      case 'ENODEV':
        throw new LogUnreadable({ path, found: notPlain });
      default:
        throw error;
    }
  }
}
