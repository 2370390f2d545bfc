import { firstValueFrom, fromEvent, merge, noop, type Observable } from 'rxjs';
import { extract } from 'tar-stream';
import { FileFailed, hasTag } from '../lifecycle/errors.js';
import type { CopiedIn } from '../lifecycle/fileAccess.js';
import type { FileAttributes, FileTree, NewFile } from '../lifecycle/fileTree.js';
import { onTree } from './onTree.js';
import { attributesOf, kindOf, pathIn, refuseOutward, type TarHeader } from './tarEntry.js';
import { TarEnd } from './tarEnd.js';

/** An archive that is being unpacked. */
interface TarWriter {
  /** Resolves once there is room for more. One at a time. */
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

/** Nothing is taken ahead. The oldest form of archives has no mark that it is known by. */
const parserOptions = { highWaterMark: 1, allowUnknownFormat: true };
const [openMode, privateMode] = [0o755, 0o700];

class Unpacking {
  private readonly parser = extract(parserOptions);
  private readonly end = new TarEnd();
  /** What the files of this archive are known by: only they are given further names. */
  private readonly files = new Map<string, string>();
  private readonly directories = new Map<string, FileAttributes>();
  private current: NewFile | undefined;
  /** The entry that came last. */
  private last = '';
  private entries = 0;
  private bytes = 0;
  private readonly placed: Promise<void>;

  constructor(private readonly tree: FileTree) {
    this.placed = this.placeAll();
    // Whoever writes or finishes hears of it.
    this.placed.catch(noop);
  }

  async write(data: Uint8Array): Promise<void> {
    const { parser } = this;
    this.end.see(data);
    // The parser keeps some of it for later, and whoever has handed it over may use it again.
    if (!parser.destroying && !parser.write(Buffer.from(data)))
      await firstValueFrom(merge(fromEvent(parser, 'drain'), fromEvent(parser, 'close')));
    if (parser.destroying) await this.placed;
  }

  async finish(): Promise<CopiedIn> {
    this.parser.end(undefined);
    await this.placed;
    if (!this.end.hasCome) throw this.refused('EBADMSG');
    // Last, since what is put into a directory changes its time, and its mode may forbid that; those further down first.
    const directories = [...this.directories].sort(([one], [other]) => other.length - one.length);
    for (const [path, attributes] of directories) await this.tree.setAttributes(path, attributes);
    return { entries: this.entries, bytes: this.bytes };
  }

  async close(): Promise<void> {
    this.parser.destroy(new Error('nobody waits for it any more'));
    await this.placed.catch(noop);
    this.current?.close();
  }

  private async placeAll(): Promise<void> {
    let unreadable: unknown;
    this.parser.once('error', (error) => {
      unreadable = error;
    });
    try {
      for await (const entry of this.parser)
        await this.place(entry.header as TarHeader, entry as AsyncIterable<Uint8Array>);
    } catch (error) {
      throw error === unreadable ? this.refused('EBADMSG') : error;
    }
  }

  private async place(header: TarHeader, content: AsyncIterable<Uint8Array>): Promise<void> {
    this.last = header.name;
    const kind = kindOf(header, this.refusing);
    const path = pathIn(header.name, this.refusing);
    this.entries += 1;
    if (kind === 'file') await this.placeFile(path, header, content);
    else if (kind === 'directory') await this.placeDirectory(path, header);
    else if (kind === 'link') await this.placeLink(path, header);
    else await this.placeName(path, pathIn(header.linkname ?? '', this.refusing));
  }

  private async placeFile(
    path: string,
    header: TarHeader,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const attributes = attributesOf(header, this.refusing);
    this.end.pass(header.byteOffset + header.size);
    const file = await this.inParent(path, () => this.tree.create(path));
    this.current = file;
    if (header.size > 0)
      for await (const piece of content) {
        await file.write(piece);
        this.bytes += piece.length;
      }
    this.files.set(path, await file.finish(attributes));
    file.close();
    this.current = undefined;
  }

  private async placeDirectory(path: string, header: TarHeader): Promise<void> {
    // The directory into which it is copied stays as it is.
    if (path === '') return;
    const attributes = attributesOf(header, this.refusing);
    await this.inParent(path, () => this.tree.makeDirectory(path, privateMode));
    this.directories.set(path, attributes);
  }

  private async placeLink(path: string, header: TarHeader): Promise<void> {
    const depth = partsOf(this.tree.path).length + partsOf(path).length - 1;
    const target = header.linkname ?? '';
    refuseOutward(target, depth, this.refusing);
    const { modifiedAt } = attributesOf(header, this.refusing);
    await this.inParent(path, () => this.tree.makeLink(path, target, modifiedAt));
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

  private readonly refusing = (code: string): FileFailed => this.refused(code);

  private refused(code: string): FileFailed {
    return new FileFailed({ verb: 'unpack', path: this.last === '' ? this.tree.path : this.last, code });
  }
}

const partsOf = (path: string): readonly string[] => (path === '' ? [] : path.split('/'));
