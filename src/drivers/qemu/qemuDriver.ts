import * as t from 'io-ts';
import { mkdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { defer, ignoreElements, lastValueFrom, type Observable, throwError } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow, found } from '../../codecs/decode.js';
import { integer, longestTimerMs, oneOf, programName, text } from '../../codecs/scalars.js';
import { InvalidRequest, LaunchFailed, LogNotFound, SnapshotIncompatible } from '../../lifecycle/errors.js';
import type { InstanceSpec, MachineHandle } from '../../lifecycle/instance.js';
import type { AdoptPlan, Driver, LaunchPlan, Machine, PreparePlan } from '../driver.js';
import { createEndedMachine } from '../host/endedMachine.js';
import { fillHome } from '../host/fillHome.js';
import { createLogFiles } from '../host/logFiles.js';
import { readLog } from '../host/logReader.js';
import { asked, readinessOf } from '../host/readinessOf.js';
import { removeTree } from '../host/removeTree.js';
import { createRuns } from '../host/runs.js';
import { createSpawner } from '../host/spawner.js';
import { untilLaunched } from '../host/untilLaunched.js';
import { chooseAccelerator, hostOf } from './accelerator.js';
import { type Confinement } from './confinement.js';
import { createDisks } from './disk.js';
import { createFileIdentities } from './fileIdentity.js';
import { guestAccepts } from './guest.js';
import { checkHostPorts } from './hostPorts.js';
import { type Image, readImage } from './image.js';
import { readJson, writeJson } from './jsonFile.js';
import { type Boot, boot, bootOf, bootOfKept, faultsOfBoot } from './keptBoot.js';
import { keepImage, keptImage, shareKeptImage } from './keptImage.js';
import { faultsOfLayers } from './keptLayers.js';
import { checkFitsMemory } from './leastMemory.js';
import {
  checkMemory,
  forgetMemory,
  forgetRam,
  giveMemory,
  keptMemory,
  ownsRam,
  shareMemory,
} from './memory.js';
import { decodeQemuFields } from './qemuFields.js';
import { decodeQemuHandle } from './qemuHandle.js';
import { createQemuMachine, type QemuMachine } from './qemuMachine.js';
import { probeBoot } from './probeBoot.js';
import { createPrograms } from './programs.js';
import { createInstalledQemu } from './installedQemu.js';
import type { QemuVersion } from './qemuProgram.js';
import { createQemuSnapshots } from './qemuSnapshots.js';
import { findQemuUser, mayChangeUser, type QemuUser } from './qemuUser.js';
import { longestSocketPath } from './qmp.js';
import { createQmpLink } from './qmpLink.js';
import { createKeptHashes } from './keptHashes.js';
import { createSoundFolders } from './soundFolders.js';
import { type QemuPlan, type StartedQemu, startQemu } from './startQemu.js';
import { type VmConfig, vmConfig } from './vmConfig.js';
import { machineDirOf, vmPaths } from './vmPaths.js';

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
  /** Milliseconds between looks: at a log that is followed, whether a guest is ready, whether an adopted QEMU lives. @defaultValue 20 */
  readonly pollMs?: number;
  /**
   * The Node.js that runs the small process which starts all others: a path, or a name to be found in `PATH`. It has to be named by
   * an application that is no Node.js itself, such as a single executable.
   *
   * @defaultValue `process.execPath`
   */
  readonly nodePath?: string;
}

/** So long a kernel may be silent, in milliseconds. Where KVM works its first line comes within one second. */
const probeMs = 5_000;

/** The console of the guest, and what QEMU itself says. */
const logSources: readonly string[] = ['app', 'vmm'];

/**
 * Creates the driver `qemu`: instances are virtual machines with a disk of their own and a network behind this host's. Its
 * README tells what an image is, what goes where, and what a standby and a fork cost.
 *
 * @throws `InvalidRequest` for options that can't be understood
 */
export function createQemuDriver(options: QemuDriverOptions = {}): Driver {
  const {
    qemu = 'qemu-system-x86_64',
    qemuImg: imgProgram = 'qemu-img',
    accel: ourAccel,
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
  if (userName !== undefined && !mayChangeUser()) {
    const expected = 'nothing: only root runs QEMU as another user';
    throw new InvalidRequest({ faults: [{ path: 'user', found: found(userName), expected }] });
  }
  const spawner = createSpawner({ nodePath });
  const runs = createRuns({ pollMs, spawner });
  const programs = createPrograms();
  const disks = createDisks(qemuImg, programs);
  const sound = createSoundFolders();
  const identities = createFileIdentities();
  const keptHashes = createKeptHashes(sound, disks);
  const warn = once(async () => {
    process.emitWarning(`"${program}" runs without a sandbox: it was built without seccomp`);
    return Promise.resolve();
  });
  const installed = createInstalledQemu(program, programs);
  const qemuVersion = async (): Promise<QemuVersion> => {
    const inspected = await installed();
    if (!inspected.hasSandbox) await warn();
    return inspected;
  };
  const qemuUser = once(() => findQemuUser(userName, programs));
  const confinement = async (): Promise<Confinement> => {
    const [{ hasSandbox }, user] = await Promise.all([qemuVersion(), qemuUser()]);
    return { user, hasSandbox };
  };
  const host = hostOf(async (image) => {
    const [{ version }, confined] = await Promise.all([qemuVersion(), confinement()]);
    return probeBoot(image, {
      ...{ accel: 'kvm', timeoutMs: probeMs, program, version, spawner, confinement: confined },
    });
  });
  /** By home. Whoever copies a home has to know whether a machine stands still in it. */
  const machines = new Map<string, QemuMachine>();

  const configOf = async ({ spec }: LaunchPlan, image: Image): Promise<Omit<VmConfig, 'hasDisk'>> => {
    const { version: qemu, machine } = await qemuVersion();
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
      ...{ vcpus: spec.vcpus ?? image.vcpus, memoryMiB },
    };
  };

  /** What a restore would refuse is refused before a machine is given up for it. */
  const checkFit = async (vm: VmConfig, folder: string): Promise<void> => {
    const { version, machine } = await qemuVersion();
    if (version !== vm.qemu || machine !== vm.machine) {
      throw new Error(
        `QEMU ${vm.qemu} (${vm.machine}) runs the machine, and "${program}" is ${version} (${machine}) by now, which could not go on from its memory; stop and start it`,
      );
    }
    await disks.top(folder);
  };

  const machineOf = (
    { home, spec }: LaunchPlan,
    { run, link, ports }: StartedQemu,
    { vm, user, ramIsShared, isResumed, boot: booted }: Running,
  ): QemuMachine => {
    const { logStart } = run.handle;
    const machine = createQemuMachine({
      ...{ run, home, vm, user, ramIsShared, link, disks, sound, identities, boot: booted },
      checkFit: () => checkFit(vm, machineDirOf(home)),
      handle: { ...run.handle, ports: ports.map(({ guest, host }) => ({ guest, host })) },
      // What was ready when it was suspended is not asked again.
      readiness$: isResumed ? undefined : readinessFor(spec, { home, logStart, link, ports }),
      logs: logSources.map((source) => createLogFiles(home, source)),
      logLimits: { maxBytes: logMaxBytes, keep: logKeep },
    });
    machines.set(home, machine);
    machine.signals$.subscribe({
      complete: () => {
        if (machines.get(home) === machine) machines.delete(home);
        link.close();
        // Where it has ended, its memory may be kept.
        if (machine.hasEnded()) keptHashes.add(machineDirOf(home));
      },
    });
    return machine;
  };

  const readinessFor = (
    { readiness }: InstanceSpec,
    { home, logStart, link, ports }: Pick<StartedQemu, 'link' | 'ports'> & { home: string; logStart: number },
  ): Observable<never> | undefined => {
    if (readiness === undefined) return undefined;
    const place = { log: createLogFiles(home), logStart, run: undefined, pollMs };
    if (readiness.kind === 'log') return readinessOf(readiness, place);
    const port = ports.find(({ guest }) => guest === readiness.port)?.host ?? 0;
    return readiness.kind === 'http'
      ? readinessOf({ ...readiness, port }, place)
      : asked(() => guestAccepts(link, port, pollMs), pollMs);
  };

  /** Before it runs: whoever finds it later has to know. */
  const writeDown = ({ home }: LaunchPlan, running: Running): Promise<void> =>
    writeJson(join(home, vmPaths.config), running);

  const start = async (
    plan: LaunchPlan,
    running: Running,
    rest: Pick<QemuPlan, 'disk' | 'confinement' | 'ramIn'>,
  ): Promise<QemuMachine> => {
    if (rest.disk !== undefined) await disks.letIn(machineDirOf(plan.home), rest.disk, running.user, 'read');
    const started = await startQemu(runs, {
      ...{ ...plan, ...running, ...rest, program },
      boot: running.boot,
    });
    return machineOf(plan, started, running);
  };

  const prepare = async ({ home, spec, copyOf, kind = 'Stopped' }: PreparePlan): Promise<void> => {
    const socket = Buffer.byteLength(join(home, vmPaths.serialSocket));
    if (socket > longestSocketPath) {
      const [most, least] = [longestSocketPath, socket - longestSocketPath].map(String);
      throw new LaunchFailed({
        reason: `the sockets in the home ${home} would have paths of more than ${String(most)} bytes; choose a data directory whose path is at least ${String(least)} bytes shorter`,
      });
    }
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
  };

  /** Gives an empty folder what a home holds, whether its machine stands still or it has none. */
  const copyMachine = async (home: string, folder: string, kind: 'Stopped' | 'Standby'): Promise<void> => {
    const machine = machines.get(home);
    if (machine !== undefined) {
      await lastValueFrom(machine.copyTo(folder, kind), { defaultValue: undefined });
      return;
    }
    await sound.naming(machineDirOf(home), async () => {
      await shareKeptImage(machineDirOf(home), folder);
      await disks.copy(machineDirOf(home), folder);
      if (kind === 'Standby') await shareMemory(machineDirOf(home), folder);
    });
  };

  /** The one that the machine was made of, whatever has become of links that led there. */
  const imageOf = async (folder: string, { image }: InstanceSpec): Promise<Image> => {
    const kept = await keptImage(folder);
    if (kept !== undefined) return readImage(kept.directory, kept.files);
    const read = await readImage(image);
    await keepImage(folder, read);
    return read;
  };

  const launch = async (plan: LaunchPlan): Promise<QemuMachine> => {
    const folder = machineDirOf(plan.home);
    await keptHashes.stop(folder);
    const image = await imageOf(folder, plan.spec);
    const [config, disk, confined] = await Promise.all([
      configOf(plan, image),
      disks.top(folder),
      confinement(),
      checkHostPorts(plan.name, plan.spec.ports),
    ]);
    await checkFitsMemory(image, config.memoryMiB);
    // The one in its home, whatever has become of its image since.
    const vm = { ...config, hasDisk: disk !== undefined };
    const kernelArguments = [...image.kernelArguments, ...(plan.spec.kernelArguments ?? [])];
    const running: Running = {
      ...{ vm, ...userOf(confined), ramIsShared: true, isResumed: false },
      boot: bootOf({ ...image, kernelArguments }),
    };
    await Promise.all([sound.naming(folder, () => forgetMemory(folder)), writeDown(plan, running)]);
    return start(plan, running, { disk, confinement: confined, ramIn: undefined });
  };

  const resume = async (plan: LaunchPlan): Promise<QemuMachine> => {
    const folder = machineDirOf(plan.home);
    await keptHashes.stop(folder);
    const [kept, { version: qemu, machine }, disk, confined] = await Promise.all([
      keptMemory(folder),
      qemuVersion(),
      disks.top(folder),
      confinement(),
      checkHostPorts(plan.name, plan.spec.ports),
    ]);
    if (kept === undefined) throw new LaunchFailed({ reason: 'the home holds no memory to go on from' });
    const { vm, ramIn } = kept;
    await checkMemory(folder, kept, {
      ...{ qemu, machine, cpu: cpuOf(vm.accel), hasDisk: disk !== undefined },
    });
    const faults = [
      ...(kept.layers === undefined
        ? []
        : await faultsOfLayers(folder, kept.layers, await disks.layers(folder))),
      ...(kept.boot === undefined ? [] : await faultsOfBoot(identities, kept.boot)),
    ];
    if (faults.length > 0) throw new SnapshotIncompatible({ differences: faults });
    if (ramIn === 'state') await sound.naming(folder, () => forgetRam(folder));
    // What others go on from too has to stay as it is.
    const ramIsShared = ramIn === 'state' || (await ownsRam(folder));
    const running: Running = {
      ...{ vm, ...userOf(confined), ramIsShared, isResumed: kept.isReady !== false },
      ...(kept.boot !== undefined && { boot: bootOfKept(kept.boot) }),
    };
    await Promise.all([
      ramIsShared && sound.naming(folder, () => giveMemory(folder, kept)),
      writeDown(plan, running),
    ]);
    return start(plan, running, { disk, confinement: confined, ramIn });
  };

  const adopt = async (plan: AdoptPlan, handle: MachineHandle): Promise<Machine> => {
    const { ports, ...decoded } = decodeQemuHandle(handle);
    const found = await runs.find(plan.home, decoded);
    if (!('ended$' in found)) return createEndedMachine({ ...decoded, ports }, found);
    const running = await readJson(join(plan.home, vmPaths.config), runningConfig);
    const link = machines.get(plan.home)?.link ?? createQmpLink(join(plan.home, vmPaths.qmpSocket));
    const isResumed = running.isResumed || plan.isReady === true;
    return machineOf(plan, { run: found, link, ports }, { ...running, isResumed });
  };

  return {
    kind: 'qemu',
    leavesFiles: true,
    capabilities: { standbyFrees: 'memory', logs: logSources },
    decode: decodeQemuFields,
    prepare: (plan) => defer(() => prepare(plan)).pipe(ignoreElements()),
    launch: (plan) => untilLaunched(() => launch(plan)),
    resume: (plan) => untilLaunched(() => resume(plan)),
    forget: (home) =>
      defer(async () => {
        await keptHashes.stop(machineDirOf(home));
        await sound.naming(machineDirOf(home), () => forgetMemory(machineDirOf(home)));
      }).pipe(ignoreElements()),
    adopt: (plan, handle) => defer(() => adopt(plan, handle)),
    reclaim: (home) => defer(() => runs.reclaim(home)).pipe(ignoreElements()),
    close: () =>
      defer(async () => {
        await keptHashes.done();
        await runs.close();
      }).pipe(ignoreElements()),
    discard: (home) =>
      defer(async () => {
        await keptHashes.stop(machineDirOf(home));
        await sound.naming(machineDirOf(home), () => removeTree(home));
      }).pipe(ignoreElements()),
    logs: (home, { source, followUntil$: end$, ...query }) => {
      if (!logSources.includes(source))
        return throwError(() => new LogNotFound({ source, sources: logSources }));
      return readLog(createLogFiles(home, source), query, end$ && { pollMs, end$ });
    },
    snapshots: createQemuSnapshots({ disks, sound, keptHashes, copyMachine }),
  };
}

/** What a QEMU that runs was built of. */
interface Running {
  readonly vm: VmConfig;
  /** As whom it runs, where that is not the manager's user. */
  readonly user?: QemuUser;
  /** Whether what the guest writes to its memory stays in the file of its home. */
  readonly ramIsShared: boolean;
  /** Whether it went on from a memory that was kept of one that was ready. */
  readonly isResumed: boolean;
  /** What it booted, or was about to when its memory was kept. */
  readonly boot?: Boot;
}

const cpuOf = (accel: VmConfig['accel']): string => (accel === 'kvm' ? 'host' : 'max');

const userOf = ({ user }: Confinement): Pick<Running, 'user'> => (user === undefined ? {} : { user });

/** Does some work once, and again only where it failed. */
const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let begun: Promise<T> | undefined;
  return () =>
    (begun ??= work().catch((error: unknown) => {
      begun = undefined;
      throw error;
    }));
};

const userId = integer('number of a user or group', 0, 2 ** 32 - 2);

const runningConfig = closed(
  'what QEMU was built of',
  { vm: vmConfig, ramIsShared: t.boolean, isResumed: t.boolean },
  { user: closed('a user', { uid: userId, gid: userId }, {}), boot },
);

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
