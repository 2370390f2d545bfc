import { setImmediate } from 'node:timers/promises';
import type { Observable } from 'rxjs';
import { FileFailed, hasTag } from '../lifecycle/errors.js';
import type { FileReader } from '../lifecycle/fileAccess.js';
import type { FileStat } from '../lifecycle/fileStat.js';
import type { FileTree, OpenFile, TreeEntry } from '../lifecycle/fileTree.js';
import { onTree } from './onTree.js';
import { endBytes, mostHeaderBytes, padTar, type TarHeader, writeTarHeader } from './tarHeader.js';

/** How much is read at a time. */
const pieceBytes = 64 * 1_024;
const longestPath = 4_096;

/**
 * Packs what lies at a path of a tree, with all that is below it, and emits what the archive is read by; the empty path stands for all that is in the
 * tree. It is packed as it is read.
 */
export const packTar = (tree$: Observable<FileTree>, path: string): Observable<FileReader> =>
  onTree(tree$, (tree, complete) => {
    const packing = new Packing(tree, path);
    return {
      read: async () => {
        // What is small is read without waiting for anything: others have their turn here.
        await setImmediate();
        const piece = await packing.read();
        if (piece === undefined) complete();
        return piece;
      },
      close: () => packing.close(),
    };
  });

/** A directory that is gone through. */
interface Level {
  readonly path: string;
  readonly rest: Iterator<TreeEntry, undefined>;
}

/** A file of which this much is to be packed still. */
interface Current {
  readonly path: string;
  readonly file: OpenFile;
  rest: number;
}

class Packing {
  private readonly levels: Level[] = [];
  private current: Current | undefined;
  /** The paths of files that have other names. */
  private readonly paths = new Map<string, string>();
  private piece = Buffer.alloc(0);
  private used = 0;
  private state: 'new' | 'begun' | 'packed' = 'new';
  private reading: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly tree: FileTree,
    private readonly path: string,
  ) {}

  read(): Promise<Uint8Array | undefined> {
    const read = this.next();
    this.reading = read.catch(() => undefined);
    return read;
  }

  async close(): Promise<void> {
    await this.reading;
    this.current?.file.close();
  }

  private async next(): Promise<Uint8Array | undefined> {
    this.piece = Buffer.allocUnsafe(pieceBytes + mostHeaderBytes);
    this.used = 0;
    if (this.state === 'new') await this.begin();
    while (this.used < pieceBytes && this.state !== 'packed') await this.step();
    return this.used === 0 ? undefined : this.piece.subarray(0, this.used);
  }

  private async begin(): Promise<void> {
    this.state = 'begun';
    if (this.path === '') await this.enter('');
    else await this.pack(this.path, (await this.tree.stat(this.path)).kind);
  }

  /** Packs what comes next, as far as this piece goes. */
  private async step(): Promise<void> {
    if (this.current !== undefined) return this.packContent(this.current);
    const level = this.levels.at(-1);
    if (level === undefined) {
      this.piece.fill(0, this.used, this.used + endBytes);
      this.used += endBytes;
      this.state = 'packed';
      return undefined;
    }
    const { done, value } = level.rest.next();
    if (done === true) {
      this.levels.pop();
      return undefined;
    }
    try {
      await this.pack(within(level.path, value.name), value.kind);
    } catch (error) {
      // It is gone by now.
      if (!hasTag(error, 'FileFailed') || error.code !== 'ENOENT') throw error;
    }
  }

  private async pack(path: string, kind: FileStat['kind']): Promise<void> {
    // A program can make directories in directories without end.
    if (path.length > longestPath) throw this.failed(path, 'ENAMETOOLONG');
    if (kind === 'file') await this.packFile(path);
    else if (kind === 'link') {
      const { target = '', ...found } = await this.tree.stat(path);
      this.put({ ...found, name: path, kind: 'link', size: 0, target });
    } else if (kind === 'directory') {
      this.put({ ...(await this.tree.stat(path)), name: `${path}/`, kind: 'directory', size: 0 });
      await this.enter(path);
    }
  }

  private async enter(path: string): Promise<void> {
    this.levels.push({ path, rest: (await this.tree.list(path)).values() as Iterator<TreeEntry, undefined> });
  }

  private async packFile(path: string): Promise<void> {
    const file = await this.tree.open(path);
    const { id, size, mode, modifiedAt } = file;
    this.current = { path, file, rest: size };
    const target = id === undefined ? undefined : this.paths.get(id);
    if (target !== undefined) {
      this.leaveFile();
      this.put({ name: path, kind: 'name', size: 0, mode, modifiedAt, target });
      return;
    }
    if (id !== undefined) this.paths.set(id, path);
    this.put({ name: path, kind: 'file', size, mode, modifiedAt });
    await this.packContent(this.current);
  }

  /** Its size stands before it: of what grows meanwhile the beginning is packed, what shrinks can't be. */
  private async packContent(current: Current): Promise<void> {
    const { path, file } = current;
    while (current.rest > 0 && this.used < pieceBytes) {
      const most = Math.min(current.rest, pieceBytes - this.used);
      const read = await file.read(this.piece.subarray(this.used, this.used + most));
      if (read === 0) throw this.failed(path, 'ESTALE');
      this.used += read;
      current.rest -= read;
    }
    if (current.rest > 0) return;
    this.used = padTar(this.piece, this.used, file.size);
    this.leaveFile();
  }

  private leaveFile(): void {
    this.current?.file.close();
    this.current = undefined;
  }

  private put(header: TarHeader): void {
    this.used = writeTarHeader(this.piece, this.used, header);
  }

  private failed(path: string, code: string): FileFailed {
    return new FileFailed({ verb: 'pack', path: within(this.tree.path, path), code });
  }
}

const within = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`;
