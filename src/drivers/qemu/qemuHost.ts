import { totalmem } from 'node:os';
import { found } from '../../codecs/decode.js';
import { InvalidRequest, LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { Spawner } from '../host/spawner.js';
import { chooseAccelerator, hostOf } from './accelerator.js';
import type { Confinement } from './confinement.js';
import type { Disks } from './disk.js';
import type { Image } from './image.js';
import { createInstalledQemu } from './installedQemu.js';
import { probeBoot } from './probeBoot.js';
import type { Programs } from './programs.js';
import type { QemuVersion } from './qemuProgram.js';
import { findQemuUser, mayChangeUser, type QemuUser } from './qemuUser.js';
import { currentDevices, type VmConfig } from './vmConfig.js';

/** The QEMU of this host, and what it can run. Each is found out when it is first needed. */
export interface QemuHost {
  /** Name or path of QEMU. */
  readonly program: string;
  version(): Promise<QemuVersion>;
  confinement(): Promise<Confinement>;
  /** What a machine of an image would be built of; rejects with `LaunchFailed` where this host has less memory. */
  configOf(spec: InstanceSpec, image: Image): Promise<Omit<VmConfig, 'hasDisk'>>;
  /** Rejects where the memory of a machine that runs could not be resumed here: then it must not be given up. */
  checkFit(vm: VmConfig, folder: string): Promise<void>;
}

/** What {@link QemuHost} is made of. */
export interface QemuHostOptions {
  readonly program: string;
  readonly programs: Programs;
  readonly spawner: Spawner;
  readonly disks: Pick<Disks, 'top'>;
  /** The user that QEMU becomes. */
  readonly userName: string | undefined;
  /** What runs the processors where neither request nor image says so. */
  readonly accel: VmConfig['accel'] | undefined;
}

/** So long a kernel may be silent, in milliseconds. Where KVM works its first line comes within one second. */
const probeMs = 5_000;

/**
 * Creates a {@link QemuHost}.
 *
 * @throws `InvalidRequest` for a user that this process can't become
 */
export function createQemuHost(options: QemuHostOptions): QemuHost {
  const { program, programs, spawner, disks, userName, accel: ourAccel } = options;
  if (userName !== undefined && !mayChangeUser()) {
    const expected = 'nothing: only root runs QEMU as another user';
    throw new InvalidRequest({ faults: [{ path: 'user', found: found(userName), expected }] });
  }
  const installed = createInstalledQemu(program, programs);
  let hasWarned = false;
  let user: Promise<QemuUser | undefined> | undefined;

  const version = async (): Promise<QemuVersion> => {
    const inspected = await installed();
    if (!inspected.hasSandbox && !hasWarned) {
      hasWarned = true;
      process.emitWarning(`"${program}" runs without a sandbox: it was built without seccomp`);
    }
    return inspected;
  };

  /** Found once, and again only where it failed. */
  const qemuUser = (): Promise<QemuUser | undefined> =>
    (user ??= findQemuUser(userName, programs).catch((error: unknown) => {
      user = undefined;
      throw error;
    }));

  const confinement = async (): Promise<Confinement> => {
    const [{ hasSandbox }, found] = await Promise.all([version(), qemuUser()]);
    return { user: found, hasSandbox };
  };

  const host = hostOf(async (image) => {
    const [inspected, confined] = await Promise.all([version(), confinement()]);
    return probeBoot(image, {
      ...{ accel: 'kvm', timeoutMs: probeMs, program, spawner },
      ...{ version: inspected.version, confinement: confined },
    });
  });

  return {
    ...{ program, version, confinement },

    configOf: async (spec, image) => {
      const { version: qemu, machine } = await version();
      const accel = spec.accel ?? image.accel ?? ourAccel ?? (await chooseAccelerator(image, host));
      const memoryMiB = spec.memoryMiB ?? image.memoryMiB;
      const hostMiB = Math.floor(totalmem() / 2 ** 20);
      if (memoryMiB > hostMiB) {
        throw new LaunchFailed({
          reason: `the machine asks for ${String(memoryMiB)} MiB of memory, and this host has ${String(hostMiB)} MiB in all`,
        });
      }
      return {
        ...{ qemu, machine, accel, cpu: cpuOf(accel) },
        ...{ vcpus: spec.vcpus ?? image.vcpus, memoryMiB, devices: currentDevices },
        ...(image.agent !== undefined && { agent: image.agent }),
      };
    },

    checkFit: async (vm, folder) => {
      if (vm.devices !== currentDevices) {
        throw new Error(
          'an earlier version has started the machine, with other devices than it would be resumed with; stop and start it',
        );
      }
      const now = await version();
      if (now.version !== vm.qemu || now.machine !== vm.machine) {
        throw new Error(
          `QEMU ${vm.qemu} (${vm.machine}) runs the machine, and "${program}" is ${now.version} (${now.machine}) by now, which could not go on from its memory; stop and start it`,
        );
      }
      await disks.top(folder);
    },
  };
}

/** The model of processors that a machine gets. */
export const cpuOf = (accel: VmConfig['accel']): string => (accel === 'kvm' ? 'host' : 'max');
