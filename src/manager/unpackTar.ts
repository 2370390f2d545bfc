import type { Observable } from 'rxjs';
import { FileFailed, hasTag } from '../lifecycle/errors.js';
import type { CopiedIn } from '../lifecycle/fileAccess.js';
import type { FileAttributes, FileTree, NewFile } from '../lifecycle/fileTree.js';
import { onTree } from './onTree.js';
import { attributesOf, kindOf, pathIn, refuseOutward } from './tarEntry.js';
import { NoArchive, type TarContent, type TarEntry, TarParser } from './tarParser.js';

/** An archive that is being unpacked. */
interface TarWriter {
  /** Resolves once so much is unpacked. One at a time. */
  write(data: Uint8Array): Promise<void>;
  /** Resolves once all is unpacked, and rejects where it is not a whole archive. */
  finish(): Promise<CopiedIn>;
  close(): Promise<void>;
}

/**
 * Unpacks an archive into a tree, and emits what it is written by. Completes once that is finished; a failure, and an unsubscribe before that, leaves what
 * came before.
 */
export const unpackTar = (tree$: Observable<FileTree>): Observable<TarWriter> =>
  onTree<TarWriter>(tree$, (tree, complete) => {
    const unpacking = new Unpacking(tree);
    return {
      write: (data) => unpacking.write(data),
      finish: async () => {
        const done = await unpacking.finish();
        complete();
        return done;
      },
      close: () => unpacking.close(),
    };
  });

const [openMode, privateMode] = [0o755, 0o700];

class Unpacking {
  private readonly parser = new TarParser((entry) => this.place(entry));
  /** What the files of this archive are known by: only they are given further names. */
  private readonly files = new Map<string, string>();
  private readonly directories = new Map<string, FileAttributes>();
  private current: NewFile | undefined;
  private writing: Promise<unknown> = Promise.resolve();
  /** The entry that came last. */
  private last = '';
  private entries = 0;
  private bytes = 0;

  constructor(private readonly tree: FileTree) {}

  write(data: Uint8Array): Promise<void> {
    const written = this.parser.write(data).catch((error: unknown) => {
      throw error instanceof NoArchive ? this.refused(error.code) : error;
    });
    this.writing = written.catch(() => undefined);
    return written;
  }

  async finish(): Promise<CopiedIn> {
    if (!this.parser.hasEnded) throw this.refused('EBADMSG');
    // Last, since what is put into a directory changes its time, and its mode may forbid that; those further down first.
    const directories = [...this.directories].sort(([one], [other]) => other.length - one.length);
    for (const [path, attributes] of directories) await this.tree.setAttributes(path, attributes);
    return { entries: this.entries, bytes: this.bytes };
  }

  async close(): Promise<void> {
    await this.writing;
    this.current?.close();
  }

  private async place(entry: TarEntry): Promise<TarContent | undefined> {
    this.last = entry.name;
    const refuse = (code: string): FileFailed => this.refused(code);
    const kind = kindOf(entry, refuse);
    const path = pathIn(entry.name, refuse);
    this.entries += 1;
    if (kind === 'file') return this.placeFile(path, entry);
    if (kind === 'directory') await this.placeDirectory(path, entry);
    else if (kind === 'link') await this.placeLink(path, entry);
    else await this.placeName(path, pathIn(entry.target, refuse));
    return undefined;
  }

  private async placeFile(path: string, entry: TarEntry): Promise<TarContent> {
    const file = await this.inParent(path, () => this.tree.create(path));
    this.current = file;
    return {
      write: async (data) => {
        await file.write(data);
        this.bytes += data.length;
      },
      end: async () => {
        this.files.set(path, await file.finish(attributesOf(entry)));
        file.close();
        this.current = undefined;
      },
    };
  }

  private async placeDirectory(path: string, entry: TarEntry): Promise<void> {
    // The directory into which it is copied stays as it is.
    if (path === '') return;
    await this.inParent(path, () => this.tree.makeDirectory(path, privateMode));
    this.directories.set(path, attributesOf(entry));
  }

  private async placeLink(path: string, entry: TarEntry): Promise<void> {
    const depth = partsOf(this.tree.path).length + partsOf(path).length - 1;
    refuseOutward(entry.target, depth, (code) => this.refused(code));
    const { modifiedAt } = attributesOf(entry);
    await this.inParent(path, () => this.tree.makeLink(path, entry.target, modifiedAt));
    this.files.delete(path);
  }

  private async placeName(path: string, file: string): Promise<void> {
    const id = this.files.get(file);
    if (id === undefined) throw this.refused('EPERM');
    if (path === file) return;
    await this.inParent(path, () => this.tree.makeName(path, file, id));
    this.files.set(path, id);
  }

  /** Makes something; where the directories are not there in which it is to lie, they are made. */
  private async inParent<T>(path: string, make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (error) {
      if (!hasTag(error, 'FileFailed') || error.code !== 'ENOENT') throw error;
    }
    const parts = partsOf(path);
    for (let depth = 1; depth < parts.length; depth += 1)
      await this.tree.makeDirectory(parts.slice(0, depth).join('/'), openMode);
    return make();
  }

  private refused(code: string): FileFailed {
    return new FileFailed({ verb: 'unpack', path: this.last === '' ? this.tree.path : this.last, code });
  }
}

const partsOf = (path: string): readonly string[] => (path === '' ? [] : path.split('/'));
