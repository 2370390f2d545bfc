import { type Fault, LaunchFailed, SnapshotIncompatible } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import type { Runs } from '../host/runs.js';
import type { Confinement } from './confinement.js';
import { type Image, readImage } from './image.js';
import { bootOf, bootOfKept, faultsOfBoot } from './keptBoot.js';
import { keepImage, keptImage } from './keptImage.js';
import { faultsOfLayers } from './keptLayers.js';
import { checkFitsMemory } from './leastMemory.js';
import type { MachineFiles } from './machineFiles.js';
import {
  checkMemory,
  forgetMemory,
  forgetRam,
  giveMemory,
  keptMemory,
  ownsRam,
  type SavedMemory,
} from './memory.js';
import type { GuestAgents } from './guestAgents.js';
import { cpuOf, type QemuHost } from './qemuHost.js';
import type { QemuMachine } from './qemuMachine.js';
import type { QemuMachines } from './qemuMachines.js';
import { type RunningVm, writeRunningVm } from './runningVm.js';
import { type QemuPlan, startQemu } from './startQemu.js';
import { currentDevices } from './vmConfig.js';
import { machineDirOf } from './vmPaths.js';

/** The two ways in which a virtual machine comes to run in a home. */
export interface QemuLaunches {
  /** Boots it. A memory that the home holds is removed. */
  launch(plan: LaunchPlan): Promise<QemuMachine>;
  /** Resumes it from the memory that the home holds; it is still halted then. */
  resume(plan: LaunchPlan): Promise<QemuMachine>;
}

/** What {@link QemuLaunches} are made of. */
export interface QemuLaunchesOptions extends MachineFiles {
  readonly host: QemuHost;
  readonly runs: Runs;
  readonly machines: QemuMachines;
  readonly agents: Pick<GuestAgents, 'end'>;
}

/** Creates {@link QemuLaunches}. */
export function createQemuLaunches(options: QemuLaunchesOptions): QemuLaunches {
  const { host, runs, disks, sound, identities, keptHashes, machines, agents } = options;

  const start = async (
    plan: LaunchPlan,
    running: RunningVm,
    rest: Pick<QemuPlan, 'disk' | 'confinement' | 'ramIn'>,
  ): Promise<QemuMachine> => {
    if (rest.disk !== undefined) await disks.letIn(machineDirOf(plan.home), rest.disk, running.user, 'read');
    const { program } = host;
    const started = await startQemu(runs, {
      ...{ ...plan, ...running, ...rest, program },
      boot: running.boot,
    });
    return machines.add(plan, started, running);
  };

  const faultsOf = async (folder: string, { layers, boot }: SavedMemory): Promise<readonly Fault[]> => [
    ...(layers === undefined ? [] : await faultsOfLayers(folder, layers, await disks.layers(folder))),
    ...(boot === undefined ? [] : await faultsOfBoot(identities, boot)),
  ];

  return {
    launch: async (plan) => {
      const folder = machineDirOf(plan.home);
      // The memory in which something may go on is removed.
      agents.end(plan.home);
      await keptHashes.stop(folder);
      const image = await imageOf(folder, plan.spec);
      const [config, disk, confinement] = await Promise.all([
        host.configOf(plan.spec, image),
        disks.top(folder),
        host.confinement(),
      ]);
      await checkFitsMemory(image, config.memoryMiB);
      const kernelArguments = [...image.kernelArguments, ...(plan.spec.kernelArguments ?? [])];
      const running: RunningVm = {
        // The disk in its home, whatever has become of its image since.
        vm: { ...config, hasDisk: disk !== undefined },
        ...{ ...userOf(confinement), ramIsShared: true, isResumed: false },
        boot: bootOf({ ...image, kernelArguments }),
      };
      await Promise.all([
        sound.naming(folder, () => forgetMemory(folder)),
        writeRunningVm(plan.home, running),
      ]);
      return start(plan, running, { disk, confinement, ramIn: undefined });
    },

    resume: async (plan) => {
      const folder = machineDirOf(plan.home);
      await keptHashes.stop(folder);
      const [kept, { version: qemu, machine }, disk, confinement] = await Promise.all([
        keptMemory(folder),
        host.version(),
        disks.top(folder),
        host.confinement(),
      ]);
      if (kept === undefined) throw new LaunchFailed({ reason: 'the home holds no memory to go on from' });
      const { vm, ramIn } = kept;
      const hasDisk = disk !== undefined;
      await checkMemory(folder, kept, {
        qemu,
        machine,
        cpu: cpuOf(vm.accel),
        hasDisk,
        devices: currentDevices,
      });
      const differences = await faultsOf(folder, kept);
      if (differences.length > 0) throw new SnapshotIncompatible({ differences });
      if (ramIn === 'state') await sound.naming(folder, () => forgetRam(folder));
      // A file of memory that others resume from too has to stay as it is.
      const ramIsShared = ramIn === 'state' || (await ownsRam(folder));
      const running: RunningVm = {
        ...{ vm, ...userOf(confinement), ramIsShared, isResumed: kept.isReady !== false },
        ...(kept.boot !== undefined && { boot: bootOfKept(kept.boot) }),
      };
      await Promise.all([
        ramIsShared && sound.naming(folder, () => giveMemory(folder, kept)),
        writeRunningVm(plan.home, running),
      ]);
      return start(plan, running, { disk, confinement, ramIn });
    },
  };
}

/** The image that a machine was made of, whatever has become of links that led there. */
async function imageOf(folder: string, { image }: InstanceSpec): Promise<Image> {
  const kept = await keptImage(folder);
  if (kept !== undefined) return readImage(kept.directory, kept.files);
  const read = await readImage(image);
  await keepImage(folder, read);
  return read;
}

const userOf = ({ user }: Confinement): Pick<RunningVm, 'user'> => (user === undefined ? {} : { user });
