import { createHash } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Fault, hasTag } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { ownMark } from '../driver.js';
import { copyTree } from './copyTree.js';
import { createHasher, type Hasher } from './hasher.js';
import { decodeManifest, encodeManifest, type Recorded } from './manifest.js';
import { onDisk } from './onDisk.js';
import { createTreeSync } from './treeSync.js';
import { type Entry, walkTree } from './walkTree.js';
import { withFile } from './withFile.js';

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
const manifestName = 'manifest.json';

/** The sealed folder at a path, there or not yet; its files get the mode. */
export function createSealedFolder(folder: string, fileMode = 0o400): SealedFolder {
  const manifestPath = join(folder, manifestName);
  const faultsOf = async (
    hash: Hasher,
    recorded: Recorded,
    entry: Entry,
    reached?: Buffer,
  ): Promise<readonly Fault[]> => {
    const { path } = recorded;
    if (entry.kind !== recorded.kind) return [{ path, found: entry.kind, expected: `a ${recorded.kind}` }];
    const [is, was] = [describe(entry), describe(sealed(recorded, fileMode))];
    if (is !== was) return [{ path, found: is, expected: was }];
    if (recorded.kind !== 'file' || reached === undefined) return [];
    // Bytes are read only where all else is as it was.
    const pieces = await hash.pieces(reached, recorded.size);
    const piece = recorded.pieces.findIndex((hash, index) => hash !== pieces[index]);
    const bytes = (is: string | undefined): string => `SHA-256 ${String(is)} in MiB ${String(piece + 1)}`;
    return piece === -1
      ? []
      : [{ path, found: bytes(pieces[piece]), expected: bytes(recorded.pieces[piece]) }];
  };

  const readManifest = (): Promise<string> =>
    withFile(manifestPath, (file) => file.readFile({ encoding: 'utf8' }));

  return {
    seal: async () => {
      const recorded: Recorded[] = [];
      const sync = createTreeSync(folder);
      const hash = createHasher();
      const walked = walkTree(folder, {
        other: async (entry, reached) => {
          if (isMark(entry)) return;
          if (entry.kind === 'link') recorded.push(entry);
          else if (entry.kind !== 'file') throw new Error(`${entry.path} is no file, directory or link`);
          else {
            const isFlushed = await sync.isByItself();
            recorded.push({
              ...entry,
              pieces: await hash.pieces(reached, entry.size, { fileMode, isFlushed }),
            });
          }
        },
        enter: async (entry, { path: reached }) => {
          if (entry.kind === 'directory') recorded.push(entry);
          await chmod(reached, directoryMode);
        },
        leave: async (_, { path: reached }) => {
          if (await sync.isByItself()) await onDisk(reached);
        },
      });
      await walked.finally(() => hash.close());
      await sync.end();
      const entries = recorded.toSorted(byPath);
      const json = encodeManifest(entries);
      await writeFile(manifestPath, json, { mode: fileMode, flush: true, flag: 'wx' });
      for (const path of [folder, dirname(folder)]) await onDisk(path);
      const size = entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
      return { size, hash: hashOf(json) };
    },

    check: async (hash) => {
      let json: string;
      try {
        json = await readManifest();
      } catch (error) {
        return [unreadable(error)];
      }
      if (hashOf(json) !== hash) {
        return [{ path: manifestName, found: `SHA-256 ${hashOf(json)}`, expected: `SHA-256 ${hash}` }];
      }
      const recorded = new Map<string, Recorded>();
      try {
        for await (const entries of decodeManifest(json)) {
          for (const entry of entries) recorded.set(entry.path, entry);
        }
      } catch (error) {
        if (hasTag(error, 'InvalidRequest')) return error.faults;
        throw error;
      }
      const faults = new Map<string, readonly Fault[]>();
      const added: Fault[] = [];

      const hasher = createHasher();
      const hold = async (entry: Entry, reached?: Buffer): Promise<void> => {
        const was = recorded.get(entry.path);
        if (was !== undefined) faults.set(entry.path, await faultsOf(hasher, was, entry, reached));
        else if (entry.path !== manifestName && !isMark(entry)) {
          added.push({ path: entry.path, found: entry.kind, expected: 'nothing' });
        }
      };

      try {
        await walkTree(folder, { other: hold, enter: (entry) => hold(entry) });
      } catch (error) {
        return [unreadable(error)];
      } finally {
        await hasher.close();
      }
      const missing = ({ path, kind }: Recorded): readonly Fault[] => [
        { path, found: 'nothing', expected: `a ${kind}` },
      ];
      return [
        ...[...recorded.values()].flatMap((entry) => faults.get(entry.path) ?? missing(entry)),
        ...added.toSorted(byPath),
      ];
    },

    copyOut: async (name, target) => {
      const modes = new Map<string, number>();
      for await (const entries of decodeManifest(await readManifest())) {
        for (const entry of entries) {
          const isWithin = entry.path === name || entry.path.startsWith(`${name}/`);
          if (isWithin && entry.kind !== 'link') modes.set(entry.path.slice(name.length + 1), entry.mode);
        }
      }
      await copyTree(join(folder, name), target, { modes });
    },
  };
}

const unreadable = (error: unknown): Fault => ({
  path: '',
  found: messageOf(error),
  expected: 'a folder that can be read',
});

/** It says whose the folder is, and nothing of the content: older folders have none. */
const isMark = ({ path }: Entry): boolean => path === ownMark;

const byPath = (one: { readonly path: string }, other: { readonly path: string }): number =>
  one.path < other.path ? -1 : 1;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

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
