import { accessSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { NotRun } from './bench.js';
import { filledFolder } from './scratch.js';
import { counted } from './virtualMachines.js';

/** The image that `npm run image` builds. */
export const smallImage = join(__dirname, '../../build/images/small');

/** What to create of it. */
export const machineRequest = {
  image: smallImage,
  readiness: { kind: 'log', pattern: '^guest-ready' },
  ports: [{ guest: 80 }],
} as const;

/** A machine that has booted and counts, on standby, and a snapshot of it. */
export interface MachineTemplate {
  /** Where a manager keeps it. */
  readonly dataDir: string;
  readonly snapshotId: string;
  /** The last that it has counted: whatever goes on from it begins with the next. */
  readonly count: number;
  /** The command lines that our driver starts QEMU with, but for what confines it: paths are relative to the home. */
  readonly commandLines: {
    readonly boot: readonly string[];
    /** Of one that goes on from a memory that others have too. */
    readonly fork: readonly string[];
    /** Of one that goes on from a memory of its own. */
    readonly restore: readonly string[];
  };
}

/** Opens a manager of virtual machines. */
export const openMachines = (dataDir: string, frontDoor?: false): Promise<InstanceManager> =>
  openManager({ dataDir, drivers: [createQemuDriver()], ...(frontDoor === false && { frontDoor }) });

/** Boots the template of this run when it is asked for it first. @throws {@link NotRun} where no machine can be started */
export async function machineTemplate(): Promise<MachineTemplate> {
  if (!existsSync(join(smallImage, 'image.json'))) {
    throw new NotRun('there is no build/images/small; npm run image builds it');
  }
  for (const program of ['qemu-system-x86_64', 'qemu-img']) {
    if (!isInstalled(program)) throw new NotRun(`there is no ${program}`);
  }
  const folder = await filledFolder('template', fill, 'short');
  const noted = JSON.parse(readFileSync(join(folder, 'noted.json'), 'utf8')) as MachineTemplate;
  return { ...noted, dataDir: join(folder, 'data') };
}

async function fill(folder: string): Promise<void> {
  const dataDir = join(folder, 'data');
  const manager = await openMachines(dataDir);
  try {
    const { id } = await firstValueFrom(manager.create({ name: 'template', ...machineRequest }));
    await lastValueFrom(manager.waitForState(id, 'Running'));
    const boot = await commandLineOf(manager, 'template');
    await firstValueFrom(manager.standby('template'));
    const { id: snapshotId } = await firstValueFrom(manager.createSnapshot('template', { kind: 'Standby' }));
    await firstValueFrom(manager.forkSnapshot(snapshotId, { name: 'fork', targetState: 'Running' }));
    const fork = await commandLineOf(manager, 'fork');
    // From here on its memory is its own.
    await firstValueFrom(manager.standby('fork'));
    await firstValueFrom(manager.restore('fork'));
    const restore = await commandLineOf(manager, 'fork');
    await firstValueFrom(manager.delete('fork'));
    const count = counted(join(dataDir, 'instances', id)).at(-1) ?? 0;
    const noted = { snapshotId, count, commandLines: { boot, fork, restore } };
    writeFileSync(join(folder, 'noted.json'), JSON.stringify(noted));
  } finally {
    await manager.close({ stopInstances: false });
  }
}

async function commandLineOf(manager: InstanceManager, name: string): Promise<readonly string[]> {
  const { handle } = await firstValueFrom(manager.get(name));
  const [, ...args] = readFileSync(`/proc/${String(handle?.pid)}/cmdline`, 'utf8')
    .split('\0')
    .slice(0, -1);
  // Driven by hand it starts a program to write its state, and has no home in which a link to the image would lie.
  return args
    .filter((arg, index) => !confining.includes(arg) && !confining.includes(args[index - 1] ?? ''))
    .map((arg, index, all) => (all[index - 1] === '-initrd' ? join(smallImage, 'initrd.cpio') : arg));
}

const confining: readonly string[] = ['-sandbox', '-runas', '-run-with'];

const isInstalled = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program));
      return true;
    } catch {
      return false;
    }
  });
