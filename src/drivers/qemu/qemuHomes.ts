import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { PreparePlan } from '../driver.js';
import { fillHome } from '../host/fillHome.js';
import { removeTree } from '../host/removeTree.js';
import { copyMachineFolder } from './copyMachineFolder.js';
import { readImage } from './image.js';
import { keepImage } from './keptImage.js';
import type { MachineFiles } from './machineFiles.js';
import { forgetMemory, shareMemory } from './memory.js';
import type { GuestAgents } from './guestAgents.js';
import type { QemuMachines } from './qemuMachines.js';
import { longestSocketPath } from './qmp.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

/** The homes of virtual machines. */
export interface QemuHomes {
  prepare(plan: PreparePlan): Promise<void>;
  /** Gives an empty folder what a home holds, whether its machine stands still or it has none. */
  copyMachine(home: string, folder: string, kind: Snapshot['kind']): Promise<void>;
  /** Removes the memory that a home holds. */
  forget(home: string): Promise<void>;
  discard(home: string): Promise<void>;
}

/** What {@link QemuHomes} are made of. */
export interface QemuHomesOptions extends Pick<MachineFiles, 'disks' | 'sound' | 'keptHashes'> {
  readonly machines: Pick<QemuMachines, 'in'>;
  readonly agents: Pick<GuestAgents, 'end'>;
}

/** Creates {@link QemuHomes}. */
export function createQemuHomes({ disks, sound, keptHashes, machines, agents }: QemuHomesOptions): QemuHomes {
  const copyMachine = async (home: string, folder: string, kind: Snapshot['kind']): Promise<void> => {
    const machine = machines.in(home);
    if (machine !== undefined) {
      await lastValueFrom(machine.copyTo(folder, kind), { defaultValue: undefined });
      return;
    }
    const from = machineDirOf(home);
    await copyMachineFolder({ disks, sound }, { from, to: folder, kind, copyMemory: shareMemory });
  };

  return {
    copyMachine,

    prepare: async ({ home, spec, copyOf, kind = 'Stopped' }) => {
      checkSocketPaths(home);
      const folder = machineDirOf(home);
      if (copyOf === undefined) {
        const image = await readImage(spec.image);
        await fillHome(home, 'image', async () => {
          await mkdir(folder, { mode: 0o700 });
          await keepImage(folder, image);
          if (image.disk !== undefined) await disks.begin(folder, image.disk);
        });
        return;
      }
      await fillHome(home, 'source', async () => {
        await mkdir(folder, { mode: 0o700 });
        await copyMachine(copyOf, folder, kind);
      });
      if (kind === 'Standby') keptHashes.add(folder);
    },

    forget: async (home) => {
      agents.end(home);
      const folder = machineDirOf(home);
      await keptHashes.stop(folder);
      await sound.naming(folder, () => forgetMemory(folder));
    },

    discard: async (home) => {
      agents.end(home);
      const folder = machineDirOf(home);
      await keptHashes.stop(folder);
      await sound.naming(folder, () => removeTree(home));
    },
  };
}

function checkSocketPaths(home: string): void {
  const surplus = Buffer.byteLength(join(home, vmPaths.serialSocket)) - longestSocketPath;
  if (surplus <= 0) return;
  throw new LaunchFailed({
    reason: `the sockets in the home ${home} would have paths of more than ${String(longestSocketPath)} bytes; choose a data directory whose path is at least ${String(surplus)} bytes shorter`,
  });
}
