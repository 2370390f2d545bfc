import { isUtf8 } from 'node:buffer';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { FileFailed } from '../../lifecycle/errors.js';
import type { FileAttributes, FileTree, NewFile, OpenFile, TreeEntry } from '../../lifecycle/fileTree.js';
import { codeOf } from './codeOf.js';
import { ownerWithin } from './ownerWithin.js';
import { kindOf, statOf } from './statOf.js';
import { type HeldFolder, holdFolderNow } from './heldFolder.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Of files that are smaller than this a thread would take longer to be woken than the work takes. */
const smallBytes = 64 * 1_024;

const [readFd, writeFd] = [promisify(read), promisify(write)];

/**
 * The tree below a directory that is held open. What takes no longer than a thread takes to be woken is done at once: of ten thousand small files that is
 * nearly all.
 */
export class HeldTree implements FileTree {
  /** The directory in which something was done last: the next is mostly in the same. */
  private last: { readonly path: string; readonly folder: HeldFolder };

  /**
   * @param root - is closed with the tree
   * @param path - that of the root, from the top of the instance's files on
   */
  constructor(
    private readonly root: HeldFolder,
    readonly path: string,
    private readonly platform: NodeJS.Platform,
  ) {
    this.last = { path: '', folder: root };
  }

  stat(path: string): ReturnType<FileTree['stat']> {
    return this.named('stat', path, () => {
      const told = this.fromTop(path);
      if (path === '') return statOf(told, fstatSync(this.root.fd));
      const place = this.placeOf(path);
      const found = lstatSync(place);
      return found.isSymbolicLink()
        ? { ...statOf(told, found), target: readlinkSync(place) }
        : statOf(told, found);
    });
  }

  list(path: string): Promise<readonly TreeEntry[]> {
    return this.named('list', path, () => {
      const { path: place } = this.folderOf(path);
      return readdirSync(place, { withFileTypes: true, encoding: 'buffer' })
        .map((entry) => ({ name: this.textOf(path, entry.name), kind: kindOf(entry) }))
        .sort((one, other) => (one.name < other.name ? -1 : 1));
    });
  }

  open(path: string): Promise<OpenFile> {
    return this.named('read', path, () => {
      const fd = openSync(this.placeOf(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const found = fstatSync(fd);
        if (!found.isFile()) throw withCode(found.isDirectory() ? 'EISDIR' : 'EINVAL');
        return this.opened(path, fd, found);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    });
  }

  create(path: string): Promise<NewFile> {
    return this.named('write', path, () => {
      const place = this.placeOf(path);
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
      const fd = inPlaceOfOthers(place, () => openSync(place, flags, 0o600));
      const owner = this.ownerOf(path);
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      return this.created(path, fd);
    });
  }

  makeDirectory(path: string, mode: number): Promise<void> {
    return this.named('make', path, () => {
      const place = this.placeOf(path);
      try {
        mkdirSync(place, mode);
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
        if (lstatSync(place).isDirectory()) return;
        unlinkSync(place);
        mkdirSync(place, mode);
      }
      this.handOver(path, place);
    });
  }

  makeLink(path: string, target: string, modifiedAt: number): Promise<void> {
    return this.named('make', path, () => {
      const place = this.placeOf(path);
      inPlaceOfOthers(place, () => {
        symlinkSync(target, place);
      });
      this.handOver(path, place);
      lutimesSync(place, new Date(modifiedAt), new Date(modifiedAt));
    });
  }

  makeName(path: string, file: string, id: string): Promise<void> {
    return this.named('make', path, () => {
      // The place of the one is held by its descriptor while that of the other is looked for.
      const from = holdFolderNow(this.folderOf(parentOf(file)).within('.'), this.platform);
      try {
        const place = this.placeOf(path);
        inPlaceOfOthers(place, () => {
          linkSync(from.within(nameOf(file)), place);
        });
        if (idOf(lstatSync(place)) === id) return;
        // A program has put something else in the place of the file.
        unlinkSync(place);
        throw withCode('ESTALE');
      } finally {
        from.close();
      }
    });
  }

  setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    return this.named('make', path, () => {
      attribute(this.folderOf(path).fd, attributes);
    });
  }

  close(): void {
    this.leave();
    this.root.close();
  }

  private opened(path: string, fd: number, found: Stats): OpenFile {
    const working = closing(fd);
    return {
      ...{ size: found.size, mode: found.mode & 0o7777, modifiedAt: Math.round(found.mtimeMs) },
      ...(found.nlink > 1 && { id: idOf(found) }),
      read: (into) =>
        this.named('read', path, async () => {
          if (found.size <= smallBytes) return readSync(fd, into, 0, into.length, null);
          return (await working.while(readFd(fd, into, 0, into.length, null))).bytesRead;
        }),
      close: () => {
        working.close();
      },
    };
  }

  private created(path: string, fd: number): NewFile {
    const working = closing(fd);
    let size = 0;
    let isFinished = false;
    return {
      write: (data) =>
        this.named('write', path, async () => {
          size += data.length;
          for (let written = 0; written < data.length;) {
            const rest = data.length - written;
            written +=
              size <= smallBytes
                ? writeSync(fd, data, written, rest)
                : (await working.while(writeFd(fd, data, written, rest, null))).bytesWritten;
          }
        }),
      finish: (attributes) =>
        this.named('write', path, () => {
          attribute(fd, attributes);
          isFinished = true;
          return idOf(fstatSync(fd));
        }),
      close: () => {
        const id = isFinished ? '' : idOf(fstatSync(fd));
        working.close();
        if (isFinished) return;
        try {
          const place = this.placeOf(path);
          if (idOf(lstatSync(place)) === id) unlinkSync(place);
        } catch {
          // A program of the instance was quicker: it is what that has made of it.
        }
      },
    };
  }

  /** Does something, and tells what fails by the path that its caller knows. */
  private async named<T>(verb: string, path: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FileFailed || codeOf(error) === '') throw error;
      throw new FileFailed({ verb, path: this.fromTop(path), code: codeOf(error) }, { cause: error });
    }
  }

  private fromTop(path: string): string {
    return [this.path, path].filter((part) => part !== '').join('/');
  }

  private ownerOf(path: string): ReturnType<typeof ownerWithin> {
    return ownerWithin(this.folderOf(parentOf(path)));
  }

  /** Gives what was made to the owner of the directory that it lies in. */
  private handOver(path: string, place: Buffer): void {
    const owner = this.ownerOf(path);
    if (owner !== undefined) lchownSync(place, owner.uid, owner.gid);
  }

  private placeOf(path: string): Buffer {
    if (path === '') throw withCode('EISDIR');
    return this.folderOf(parentOf(path)).within(nameOf(path));
  }

  /** Goes down to a directory, by descriptors. */
  private folderOf(path: string): HeldFolder {
    if (path === this.last.path) return this.last.folder;
    this.leave();
    if (path === '') return this.root;
    let folder = this.root;
    for (const part of path.split('/')) {
      let next: HeldFolder;
      try {
        next = holdFolderNow(folder.within(part), this.platform);
      } finally {
        if (folder !== this.root) folder.close();
      }
      folder = next;
    }
    this.last = { path, folder };
    return folder;
  }

  private leave(): void {
    if (this.last.folder !== this.root) this.last.folder.close();
    this.last = { path: '', folder: this.root };
  }

  private textOf(path: string, name: Buffer): string {
    const text = name.toString();
    if (isUtf8(name)) return text;
    const told = this.fromTop(path === '' ? text : `${path}/${text}`);
    throw new FileFailed({ verb: 'list', path: told, code: 'EILSEQ' });
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const idOf = ({ dev, ino }: Stats): string => `${String(dev)}:${String(ino)}`;

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

/** Makes something where nothing may be, after what was there was removed. */
function inPlaceOfOthers<T>(place: Buffer, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Of a directory some systems would say that this is not permitted.
    if (lstatSync(place).isDirectory()) throw withCode('EISDIR');
    unlinkSync(place);
    return make();
  }
}

function attribute(fd: number, { mode, modifiedAt }: FileAttributes): void {
  fchmodSync(fd, mode);
  // Of a number below 0 Node makes the time that it is now.
  futimesSync(fd, new Date(modifiedAt), new Date(modifiedAt));
}

/** Closes a descriptor once nothing is done with it: by then it could be that of another file. */
function closing(fd: number): { while<T>(work: Promise<T>): Promise<T>; close(): void } {
  let current: Promise<unknown> | undefined;
  const close = (): void => {
    closeSync(fd);
  };
  return {
    while: async (work) => {
      current = work;
      try {
        return await work;
      } finally {
        current = undefined;
      }
    },
    close: () => {
      if (current === undefined) close();
      else current.then(close, close);
    },
  };
}
