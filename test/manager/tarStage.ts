import { mkdirSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, defer, lastValueFrom, mergeMap, noop, type Observable } from 'rxjs';
import { pack } from 'tar-stream';
import type { FileTree } from '../../src/lifecycle/fileTree.js';
import { filesBeneath } from '../../src/drivers/host/filesBeneath.js';
import { removeTree } from '../../src/drivers/host/removeTree.js';
import type { CopiedIn } from '../../src/lifecycle/fileAccess.js';
import { packTar } from '../../src/manager/packTar.js';
import { unpackTar } from '../../src/manager/unpackTar.js';
import { type ExecInput, feedInput } from '../../src/streams/feedInput.js';
import { type Pullable, pullable } from '../../src/streams/pullable.js';

/** Two folders, of which one is the top of an instance's files, and what packs and unpacks there. */
export interface TarStage {
  readonly folder: string;
  readonly top: string;
  treeAt(path: string): Observable<FileTree>;
  packed(directory: string, name: string): Pullable<Uint8Array>;
  unpack(path: string, tar: ExecInput): Promise<CopiedIn>;
  /** Unpacks until something is so, and leaves then. */
  unpackUntil(path: string, tar: ExecInput, isSo: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export function openTarStage(): TarStage {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tar-')));
  const top = join(folder, 'work');
  mkdirSync(top);
  mkdirSync(join(folder, 'outside'));
  const files = filesBeneath(() => Promise.resolve(top));
  const treeAt = (path: string): Observable<FileTree> =>
    files.tree === undefined ? neverSo() : files.tree(path);
  const unpacked = (path: string, tar: ExecInput): Observable<CopiedIn> =>
    unpackTar(treeAt(path)).pipe(
      mergeMap(({ write, finish }) => concat(feedInput({ write, endInput: noop }, tar), defer(finish))),
    );
  return {
    ...{ folder, top, treeAt },
    packed: (directory, name) => pullable(packTar(treeAt(directory), name)),
    unpack: (path, tar) => lastValueFrom(unpacked(path, tar)),
    unpackUntil: async (path, tar, isSo) => {
      const unpacking = unpacked(path, tar).subscribe();
      while (!isSo()) await new Promise((next) => setImmediate(next));
      unpacking.unsubscribe();
    },
    close: () => removeTree(folder),
  };
}

const neverSo = (): never => {
  throw new Error('these files have trees');
};

/** An entry as tar-stream takes it, and what is in it. */
export type ArchiveEntry = readonly [
  entry: Parameters<ReturnType<typeof pack>['entry']>[0],
  content?: string,
];

/** An archive of tar-stream's making. */
export async function archiveOf(...entries: readonly ArchiveEntry[]): Promise<Buffer> {
  const stream = pack();
  for (const [entry, content = ''] of entries) stream.entry(entry, content);
  stream.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}

export const all = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
};
