import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defer, ignoreElements, type Observable } from 'rxjs';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { SnapshotContent, Snapshotting } from '../driver.js';
import { fillHome } from '../host/fillHome.js';
import { makeOwnFolder } from '../host/makeOwnFolder.js';
import { removeTree } from '../host/removeTree.js';
import { createReplaceable } from '../host/replaceable.js';
import { createSealedFolder, type SealedFolder } from '../host/sealedFolder.js';
import { walkTree } from '../host/walkTree.js';
import type { Disks } from './disk.js';
import { shareMemory } from './memory.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

/** What snapshots of virtual machines are made by. */
export interface QemuSnapshotsOptions {
  readonly disks: Disks;
  /** Gives an empty folder what a home holds. */
  readonly copyMachine: (home: string, folder: string, kind: Snapshot['kind']) => Promise<void>;
}

/** A memory can't be mapped, not even to be read, where it can't be written. */
const fileMode = 0o600;

/**
 * Snapshots of virtual machines: the folder holds what the folder of a machine does, and a manifest. What is made of it shares
 * its files, as hard links. All of it is read when it is checked, but for one that was found sound and has not been touched since:
 * a link to a file of it that was removed counts as touched.
 */
export function createQemuSnapshots({ disks, copyMachine }: QemuSnapshotsOptions): Snapshotting {
  /** Of each folder that was found sound, what it looked like then. */
  const sound = new Map<string, { readonly hash: string; readonly looks: Looks }>();

  const sealedAt = (folder: string): SealedFolder => createSealedFolder(folder, fileMode);

  const take = async (home: string, folder: string, kind: Snapshot['kind']): Promise<void> => {
    await makeOwnFolder(folder);
    const content = join(folder, vmPaths.machine);
    try {
      await mkdir(content, { mode: 0o700 });
      await copyMachine(home, content, kind);
    } catch (error) {
      await removeTree(folder);
      throw error;
    }
  };

  const seal = async (folder: string): Promise<SnapshotContent> => {
    const sealed = await sealedAt(folder).seal();
    sound.set(folder, { hash: sealed.hash, looks: await looksOf(folder, sealed.hash) });
    return { ...sealed, data: null };
  };

  const check = async (folder: string, hash: string): Promise<readonly Fault[]> => {
    const looks = await looksOf(folder, hash).catch(() => undefined);
    const known = sound.get(folder)?.looks;
    if (looks !== undefined && looks.files === known?.files && looks.changed === known.changed) return [];
    const faults = await sealedAt(folder).check(hash);
    if (faults.length === 0 && looks !== undefined) sound.set(folder, { hash, looks });
    return faults;
  };

  const fill = async (folder: string, target: string, kind: Snapshot['kind']): Promise<void> => {
    const content = join(folder, vmPaths.machine);
    await mkdir(target, { mode: 0o700 });
    await disks.copy(content, target);
    if (kind === 'Standby') await shareMemory(content, target);
    // The links that were made are our own.
    const known = sound.get(folder);
    if (known === undefined) return;
    const looks = await looksOf(folder, known.hash);
    if (looks.files === known.looks.files) sound.set(folder, { ...known, looks });
  };

  return {
    kinds: ['Stopped', 'Standby'],
    take: ({ home, folder, kind }) => done(() => take(home, folder, kind)),
    seal: (folder) => defer(() => seal(folder)),
    check: (folder, { hash }) => defer(() => check(folder, hash)),
    layOut: ({ home, folder, kind }) =>
      done(() => fillHome(home, 'snapshot', () => fill(folder, machineDirOf(home), kind))),
    replace: ({ home, folder, kind }) =>
      defer(() => createReplaceable(machineDirOf(home)).replace((next) => fill(folder, next, kind))),
    mend: (home) => done(() => createReplaceable(machineDirOf(home)).mend()),
    discard: (folder) =>
      done(async () => {
        sound.delete(folder);
        await removeTree(folder);
      }),
  };
}

const done = (work: () => Promise<unknown>): Observable<never> => defer(work).pipe(ignoreElements());

/** What a folder looks like. */
interface Looks {
  /** Its manifest's hash, and what each file is like. */
  readonly files: string;
  /**
   * When the inodes were changed last. Whatever is written changes that, and nobody can set it back; so does a link that is
   * made to a file, or removed.
   */
  readonly changed: string;
}

async function looksOf(folder: string, hash: string): Promise<Looks> {
  const found: [path: string, looks: object, changed: string][] = [];
  const entries = await walkTree(folder, {
    other: async ({ path }, reached) => {
      const { ino, mtimeNs, ctimeNs } = await lstat(reached, { bigint: true });
      found.push([path, { path, ino: String(ino), modified: String(mtimeNs) }, String(ctimeNs)]);
    },
  });
  const sorted = found.toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    files: JSON.stringify([hash, entries, sorted.map(([, looks]) => looks)]),
    changed: JSON.stringify(sorted.map(([path, , changed]) => [path, changed])),
  };
}
