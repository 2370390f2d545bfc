import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defer } from 'rxjs';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { SnapshotContent, Snapshotting } from '../driver.js';
import { completeAfter } from '../host/completeAfter.js';
import { fillHome } from '../host/fillHome.js';
import { makeOwnFolder } from '../host/makeOwnFolder.js';
import { removeTree } from '../host/removeTree.js';
import { createReplaceable } from '../host/replaceable.js';
import { createSealedFolder, type SealedFolder } from '../host/sealedFolder.js';
import { copyMachineFolder } from './copyMachineFolder.js';
import { looksOfLayers } from './keptLayers.js';
import type { MachineFiles } from './machineFiles.js';
import { shareSound } from './memory.js';
import type { KeptHashes } from './keptHashes.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

/** What snapshots of virtual machines are made by. */
export interface QemuSnapshotsOptions extends Pick<MachineFiles, 'disks' | 'sound'> {
  readonly keptHashes: Pick<KeptHashes, 'add' | 'stop'>;
  /** Gives an empty folder what a home holds. */
  readonly copyMachine: (home: string, folder: string, kind: Snapshot['kind']) => Promise<void>;
}

/** A memory can't be mapped, not even to be read, where it can't be written. */
const fileMode = 0o600;

/**
 * Snapshots of virtual machines: the folder holds what the folder of a machine does, and a manifest. What is made of it shares
 * its files, as hard links. All of it is read when it is checked, but once it was found sound, it is read again only when a file was
 * changed since.
 */
export function createQemuSnapshots({
  disks,
  sound,
  keptHashes,
  copyMachine,
}: QemuSnapshotsOptions): Snapshotting {
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
    const sealed = await sound.naming(join(folder, vmPaths.machine), () => sealedAt(folder).seal());
    await sound.note(folder, sealed.hash);
    return { ...sealed, data: null };
  };

  const check = async (folder: string, hash: string): Promise<readonly Fault[]> => {
    if (await sound.isSound(folder, hash)) return [];
    const faults = await sealedAt(folder).check(hash);
    if (faults.length === 0) await sound.note(folder, hash);
    return faults;
  };

  const fill = async (folder: string, target: string, kind: Snapshot['kind']): Promise<void> => {
    const content = join(folder, vmPaths.machine);
    await mkdir(target, { mode: 0o700 });
    await copyMachineFolder(
      { disks, sound },
      {
        ...{ from: content, to: target, kind },
        copyMemory: async () =>
          shareSound(content, target, await looksOfLayers(target, await disks.layers(target))),
      },
    );
  };

  return {
    kinds: ['Stopped', 'Standby'],
    take: ({ home, folder, kind }) => completeAfter(() => take(home, folder, kind)),
    seal: (folder) => defer(() => seal(folder)),
    check: (folder, { hash }) => defer(() => check(folder, hash)),
    layOut: ({ home, folder, kind }) =>
      completeAfter(async () => {
        await fillHome(home, 'snapshot', () => fill(folder, machineDirOf(home), kind));
        if (kind === 'Standby') keptHashes.add(machineDirOf(home));
      }),
    replace: ({ home, folder, kind }) =>
      defer(async () => {
        await keptHashes.stop(machineDirOf(home));
        return createReplaceable(machineDirOf(home)).replace((next) => fill(folder, next, kind));
      }),
    mend: (home) => completeAfter(() => createReplaceable(machineDirOf(home)).mend()),
    discard: (folder) =>
      completeAfter(async () => {
        sound.forget(folder);
        await removeTree(folder);
      }),
  };
}
