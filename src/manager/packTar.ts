import { constants } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { firstValueFrom, fromEvent, type Observable } from 'rxjs';
import { pack } from 'tar-stream';
import { FileFailed, hasTag } from '../lifecycle/errors.js';
import type { FileReader } from '../lifecycle/fileAccess.js';
import type { FileStat } from '../lifecycle/fileStat.js';
import type { FileAttributes, FileTree, OpenFile, TreeEntry } from '../lifecycle/fileTree.js';
import { onTree } from './onTree.js';

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

type Archive = ReturnType<typeof pack>;
type Content = ReturnType<Archive['entry']>;
type Header = Parameters<Archive['entry']>[0];

/** A file of which this much is to be packed still. */
interface Current {
  readonly path: string;
  readonly file: OpenFile;
  readonly content: Content;
  rest: number;
}

class Packing {
  // A step puts a header and a piece into it at most, and is taken only once it is empty: it never waits for its reader.
  private readonly archive = pack({ highWaterMark: 4 * pieceBytes, eagerOpen: true });
  private readonly levels: Level[] = [];
  private current: Current | undefined;
  /** The paths of files that have other names. */
  private readonly paths = new Map<string, string>();
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
    this.archive.destroy();
  }

  private async next(): Promise<Uint8Array | undefined> {
    if (this.state === 'new') await this.begin();
    const pieces: Uint8Array[] = [];
    for (let bytes = 0; bytes < pieceBytes;) {
      const piece = this.archive.read() as Uint8Array | null;
      if (piece !== null) {
        pieces.push(piece);
        bytes += piece.length;
      } else if (this.state === 'packed') break;
      else await this.step();
    }
    return pieces.length < 2 ? pieces[0] : Buffer.concat(pieces);
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
      this.archive.finalize();
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
      await this.put({ name: path, type: 'symlink', linkname: target, ...attributesIn(found) });
    } else if (kind === 'directory') {
      await this.put({ name: `${path}/`, type: 'directory', ...attributesIn(await this.tree.stat(path)) });
      await this.enter(path);
    }
  }

  private async enter(path: string): Promise<void> {
    this.levels.push({ path, rest: (await this.tree.list(path)).values() as Iterator<TreeEntry, undefined> });
  }

  private async packFile(path: string): Promise<void> {
    const file = await this.tree.open(path);
    const first = file.id === undefined ? undefined : this.paths.get(file.id);
    if (first !== undefined) {
      file.close();
      await this.put({ name: path, type: 'link', linkname: first, ...attributesIn(file) });
      return;
    }
    if (file.id !== undefined) this.paths.set(file.id, path);
    const content = this.archive.entry({ name: path, type: 'file', size: file.size, ...attributesIn(file) });
    this.current = { path, file, content, rest: file.size };
    await this.packContent(this.current);
  }

  /** Its size stands before it: of what grows meanwhile the beginning is packed, what shrinks can't be. */
  private async packContent(current: Current): Promise<void> {
    const { path, file, content } = current;
    const piece = Buffer.allocUnsafe(Math.min(current.rest, pieceBytes));
    const read = current.rest === 0 ? 0 : await file.read(piece);
    if (read === 0 && current.rest > 0) throw this.failed(path, 'ESTALE');
    current.rest -= read;
    const isTaken = content.write(piece.subarray(0, read));
    if (current.rest > 0) {
      if (!isTaken) await firstValueFrom(fromEvent(content, 'drain'));
      return;
    }
    content.end(undefined);
    await firstValueFrom(fromEvent(content, 'finish'));
    file.close();
    this.current = undefined;
  }

  /** Packs what has no content. */
  private put(header: Header): Promise<void> {
    return new Promise((packed) => {
      this.archive.entry(header, () => {
        packed();
      });
    });
  }

  private failed(path: string, code: string): FileFailed {
    return new FileFailed({ verb: 'pack', path: within(this.tree.path, path), code });
  }
}

const within = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`;

/** Who may do what, and that only the owner of what is in a directory may remove it; not with whose rights it runs. */
const toldMode = 0o1777;
/** What tar-stream writes into the field of a time is understood up to then, in seconds. */
const mostSeconds = 2 ** 31 - 1;

function attributesIn({ mode, modifiedAt }: FileAttributes): Pick<Header, 'mode' | 'mtime' | 'pax'> {
  const seconds = Math.floor(modifiedAt / 1_000);
  const fits = seconds >= 0 && seconds <= mostSeconds;
  return {
    // Of a bare 0 tar-stream makes a mode of its own; what says that it is a file, it leaves out.
    mode: constants.S_IFREG | (mode & toldMode),
    mtime: new Date(fits ? seconds * 1_000 : 0),
    ...(!fits && { pax: { mtime: String(seconds) } }),
  };
}
