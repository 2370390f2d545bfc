import { join, resolve } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer, longestTimerMs, oneOf, programName, text } from '../../codecs/scalars.js';
import { throwError } from 'rxjs';
import type { Driver } from '../driver.js';
import { createHostDriver } from '../host/hostDriver.js';
import { createRuns } from '../host/runs.js';
import { createSpawner } from '../host/spawner.js';
import { createGuestAgents } from './guestAgents.js';
import { createGuestFiles } from './guestFiles.js';
import { createMachineFiles } from './machineFiles.js';
import { createPrograms } from './programs.js';
import { decodeQemuFields } from './qemuFields.js';
import { decodeQemuHandle } from './qemuHandle.js';
import { createQemuHomes } from './qemuHomes.js';
import { createQemuHost } from './qemuHost.js';
import { createQemuLaunches } from './qemuLaunches.js';
import { createQemuMachines, logSources } from './qemuMachines.js';
import { createQemuSnapshots } from './qemuSnapshots.js';
import { createQmpLink } from './qmpLink.js';
import { readRunningVm } from './runningVm.js';
import { vmPaths } from './vmPaths.js';

/** How to make a driver of virtual machines. */
export interface QemuDriverOptions {
  /** Name or path of QEMU. @defaultValue `'qemu-system-x86_64'` */
  readonly qemu?: string;
  /** Name or path of QEMU's tool for disks. @defaultValue `'qemu-img'` */
  readonly qemuImg?: string;
  /** What runs the processors where neither request nor image says so. @defaultValue KVM where it was seen to work, else TCG */
  readonly accel?: 'kvm' | 'tcg';
  /**
   * The user that QEMU becomes where the manager is root, before a guest runs; `'root'` to stay that. Only root may say one.
   *
   * @defaultValue the first that this host has of `libvirt-qemu`, `qemu`, `nobody`
   */
  readonly user?: string;
  /** Size from which a log is laid aside, in bytes. @defaultValue 10485760 (10 MiB) */
  readonly logMaxBytes?: number;
  /** How many parts of a log that were laid aside are kept, at least 1. @defaultValue 3 */
  readonly logKeep?: number;
  /** Milliseconds between two polls: of a log that is followed, of a readiness, of the end of an adopted QEMU. @defaultValue 20 */
  readonly pollMs?: number;
  /**
   * The Node.js that runs the small process which starts all others: a path, or a name to be found in `PATH`. It has to be named by
   * an application that is no Node.js itself, such as a single executable.
   *
   * @defaultValue `process.execPath`
   */
  readonly nodePath?: string;
}

/**
 * Creates the driver `qemu`: instances are virtual machines with a disk of their own and a network behind this host's. Its
 * README says what an image is, what goes where, and what a standby and a fork cost.
 *
 * @throws `InvalidRequest` for options that can't be understood
 */
export function createQemuDriver(options: QemuDriverOptions = {}): Driver {
  const {
    qemu = 'qemu-system-x86_64',
    qemuImg: imgProgram = 'qemu-img',
    accel,
    user: userName,
    logMaxBytes = 10 * 1_024 * 1_024,
    logKeep = 3,
    pollMs = 20,
    nodePath,
  } = decodeOrThrow(qemuDriverOptions, options);
  // They run in other folders.
  const [program, qemuImg] = [qemu, imgProgram].map((each) =>
    each.includes('/') ? resolve(each) : each,
  ) as [string, string];
  const spawner = createSpawner({ nodePath });
  const runs = createRuns({ pollMs, spawner });
  const programs = createPrograms();
  const files = createMachineFiles(qemuImg, programs);
  const host = createQemuHost({ program, programs, spawner, disks: files.disks, userName, accel });
  const logLimits = { maxBytes: logMaxBytes, keep: logKeep };
  const agents = createGuestAgents();
  const machines = createQemuMachines({ ...files, host, agents, logLimits, pollMs });
  const { prepare, copyMachine, forget, discard } = createQemuHomes({ ...files, machines, agents });
  const { launch, resume } = createQemuLaunches({ ...files, host, runs, machines, agents });

  return createHostDriver({
    ...{ runs, pollMs, prepare, launch, resume, forget, discard },
    kind: 'qemu',
    capabilities: {
      ...{ standbyFrees: 'memory', logs: logSources, ports: true, execs: true },
      filesNeedMachine: true,
      limits: ['memoryMiB'],
    },
    decode: decodeQemuFields,
    decodeHandle: decodeQemuHandle,
    machineOf: async (plan, run, { ports }) => {
      const { home, isReady = false } = plan;
      const running = await readRunningVm(home);
      const link = machines.in(home)?.link ?? createQmpLink(join(home, vmPaths.qmpSocket));
      return machines.add(
        plan,
        { run, link, ports, isHalted: false },
        { ...running, isResumed: running.isResumed || isReady },
      );
    },
    files: ({ home }) =>
      machines.in(home)?.files ??
      createGuestFiles(() => throwError(() => new Error('its virtual machine does not run'))),
    beforeClose: () => {
      agents.endAll();
      return files.keptHashes.done();
    },
    snapshots: createQemuSnapshots({ ...files, copyMachine }),
  });
}

const qemuDriverOptions = closed(
  'options of the QEMU driver',
  {},
  {
    qemu: programName,
    qemuImg: programName,
    accel: oneOf(['kvm', 'tcg']),
    user: text('the name of a user', (value) => /^[a-z_][\w.-]{0,31}$/i.test(value)),
    logMaxBytes: integer('bytes', 1, Number.MAX_SAFE_INTEGER),
    logKeep: integer('parts', 1, 1_000),
    pollMs: integer('milliseconds', 1, longestTimerMs),
    nodePath: programName,
  },
);
