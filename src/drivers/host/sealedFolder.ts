import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { createHash } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { from, lastValueFrom, map, mergeMap, toArray } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decode, decodeOrThrow } from '../../codecs/decode.js';
import { integer } from '../../codecs/scalars.js';
import { tagged } from '../../codecs/tagged.js';
import type { Fault } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { copyTree } from './copyTree.js';
import { hashPieces } from './hashPieces.js';
import { onDisk } from './onDisk.js';
import { type Entry, walkTree } from './walkTree.js';

/**
 * A folder whose content never changes. Beside the content lies its manifest: of each entry its kind, with what mode it was
 * laid in, the size and hashes of a file, the target of a link. The content itself is for its owner only, files read-only unless another mode is given.
 */
export interface SealedFolder {
  /** Seals what was laid into the folder, on disk when this resolves. */
  seal(): Promise<Seal>;
  /** Holds the folder against its manifest, and the manifest against its hash; resolves with every difference. */
  check(hash: string): Promise<readonly Fault[]>;
  /** Copies a directory of the content, as it was laid in, to a place where nothing is; on disk when this resolves. */
  copyOut(name: string, target: string): Promise<void>;
}

/** What is told of a folder that was sealed. */
export interface Seal {
  /** Bytes of all files of the content. */
  readonly size: number;
  /** SHA-256 of the manifest. */
  readonly hash: string;
}

const directoryMode = 0o700;
const filesAtATime = 4;
const manifestName = 'manifest.json';

/** The sealed folder at a path, there or not yet; its files get the mode. */
export function createSealedFolder(folder: string, fileMode = 0o400): SealedFolder {
  const manifestPath = join(folder, manifestName);
  const pathOf = ({ path }: { readonly path: string }): string => join(folder, path);

  const sealEntry = async (entry: Entry): Promise<Recorded> => {
    if (entry.kind === 'something else') throw new Error(`${entry.path} is no file, directory or link`);
    if (entry.kind !== 'file') return entry;
    const pieces = await hashPieces(pathOf(entry), async (file) => {
      await file.chmod(fileMode);
      await file.sync();
    });
    return { ...entry, pieces };
  };

  /** Everything in its order, some files at a time. */
  const each = <A, B>(entries: readonly A[], work: (entry: A) => Promise<B>): Promise<readonly B[]> =>
    lastValueFrom(
      from(entries.map((entry, index) => ({ entry, index }))).pipe(
        mergeMap(async ({ entry, index }) => ({ done: await work(entry), index }), filesAtATime),
        toArray(),
        map((all) => all.toSorted((one, other) => one.index - other.index).map(({ done }) => done)),
      ),
    );

  /** What is wrong with one entry; bytes are read only where all else is as it was. */
  const faultsOf = async (recorded: Recorded, entry: Entry | undefined): Promise<readonly Fault[]> => {
    const { path } = recorded;
    if (entry?.kind !== recorded.kind) {
      return [{ path, found: entry?.kind ?? 'nothing', expected: `a ${recorded.kind}` }];
    }
    const [is, was] = [describe(entry), describe(sealed(recorded, fileMode))];
    if (is !== was) return [{ path, found: is, expected: was }];
    if (recorded.kind !== 'file') return [];
    const pieces = await hashPieces(pathOf(recorded));
    const piece = recorded.pieces.findIndex((hash, index) => hash !== pieces[index]);
    const bytes = (hash: string | undefined): string => `SHA-256 ${String(hash)} in MiB ${String(piece + 1)}`;
    return piece === -1
      ? []
      : [{ path, found: bytes(pieces[piece]), expected: bytes(recorded.pieces[piece]) }];
  };

  return {
    seal: async () => {
      const entries = await walkTree(folder, (entry) => chmod(pathOf(entry), directoryMode));
      const recorded = await each(entries, sealEntry);
      const json = JSON.stringify({ version: 1, entries: recorded } satisfies t.TypeOf<typeof manifest>);
      await writeFile(manifestPath, json, { mode: fileMode, flush: true });
      for (const entry of entries) if (entry.kind === 'directory') await onDisk(pathOf(entry));
      for (const path of [folder, dirname(folder)]) await onDisk(path);
      const size = recorded.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
      return { size, hash: hashOf(json) };
    },

    check: async (hash) => {
      let json: string;
      let entries: readonly Entry[];
      try {
        json = await readFile(manifestPath, 'utf8');
        entries = await walkTree(folder);
      } catch (error) {
        return [{ path: '', found: messageOf(error), expected: 'a folder that can be read' }];
      }
      if (hashOf(json) !== hash) {
        return [{ path: manifestName, found: `SHA-256 ${hashOf(json)}`, expected: `SHA-256 ${hash}` }];
      }
      const decoded = decode(manifest, JSON.parse(json));
      if (E.isLeft(decoded)) return decoded.left;
      const there = new Map(entries.map((entry) => [entry.path, entry]));
      const recorded = new Set(decoded.right.entries.map(({ path }) => path)).add(manifestName);
      const added = entries.filter(({ path }) => !recorded.has(path));
      const faults = await each(decoded.right.entries, (entry) => faultsOf(entry, there.get(entry.path)));
      return [
        ...faults.flat(),
        ...added.map(({ path, kind }) => ({ path, found: kind, expected: 'nothing' })),
      ];
    },

    copyOut: async (name, target) => {
      await copyTree(join(folder, name), target);
      const { entries } = decodeOrThrow(manifest, JSON.parse(await readFile(manifestPath, 'utf8')));
      const copied = entries
        .filter((entry) => entry.kind !== 'link')
        .filter(({ path }) => path === name || path.startsWith(`${name}/`));
      const settle = ({ path, mode }: (typeof copied)[number]): Promise<void> =>
        onDisk(join(target, path.slice(name.length)), mode);
      await each(
        copied.filter(({ kind }) => kind === 'file'),
        settle,
      );
      // What is in a directory comes before it: the mode of the directory may lock it.
      for (const entry of copied.toReversed()) if (entry.kind === 'directory') await settle(entry);
    },
  };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** An entry of the content, as it was before it was sealed. */
type Recorded = t.TypeOf<typeof recordedEntry>;

/** An entry as it lies in a sealed folder. */
const sealed = (entry: Recorded, fileMode: number): Entry =>
  entry.kind === 'link' ? entry : { ...entry, mode: entry.kind === 'file' ? fileMode : directoryMode };

function describe(entry: Entry): string {
  switch (entry.kind) {
    case 'directory':
      return `mode ${entry.mode.toString(8)}`;
    case 'file':
      return `mode ${entry.mode.toString(8)}, ${String(entry.size)} bytes`;
    case 'link':
      return `a link to ${JSON.stringify(entry.target)}`;
    case 'something else':
      return entry.kind;
  }
}

const path = t.string;
const mode = integer('mode', 0, 0o7777);

const recordedEntry = tagged('an entry', 'kind', {
  directory: closed('a directory', { kind: t.literal('directory'), path, mode }, {}),
  file: closed(
    'a file',
    {
      kind: t.literal('file'),
      path,
      mode,
      size: integer('bytes', 0, Number.MAX_SAFE_INTEGER),
      pieces: t.readonlyArray(t.string),
    },
    {},
  ),
  link: closed('a link', { kind: t.literal('link'), path, target: t.string }, {}),
});

const manifest = closed('a manifest', { version: t.literal(1), entries: t.readonlyArray(recordedEntry) }, {});
