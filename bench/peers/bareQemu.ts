import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type MachineTemplate, smallImage } from '../harness/machineTemplate.js';
import { newFolder } from '../harness/scratch.js';
import type { VirtualMachines } from '../harness/virtualMachines.js';
import { type BareQmp, connectBareQmp } from './bareQmp.js';

/** A QEMU that runs. */
interface Running {
  readonly pid: number;
  readonly qmp: BareQmp;
  readonly ended: Promise<unknown>;
}

const run = promisify(execFile);

/**
 * Virtual machines by hand: the same QEMU with the same command lines, and nothing but what it takes. Nothing is checked or
 * written down, nothing is flushed, no log is watched, and nobody could find the machines again.
 */
export function openBareMachines({ dataDir, snapshotId, commandLines }: MachineTemplate): VirtualMachines {
  const snapshot = join(dataDir, 'snapshots', snapshotId, 'vm');
  const homes = newFolder(`bare-${String(performance.now())}`, 'short');
  const machines = new Map<string, Running>();

  const homeOf = (name: string): string => join(homes, name);
  const running = (name: string): Running => {
    const machine = machines.get(name);
    if (machine === undefined) throw new Error(`${name} does not run`);
    return machine;
  };

  const makeHome = (name: string): string => {
    const home = homeOf(name);
    for (const folder of ['logs', 'vm']) mkdirSync(join(home, folder), { recursive: true });
    for (const file of ['environ', 'cmdline']) writeFileSync(join(home, file), '');
    execFileSync('mkfifo', ['console.in'], { cwd: home });
    symlinkSync('/dev/null', join(home, 'console.out'));
    return home;
  };

  const start = async (name: string, args: readonly string[], state?: string): Promise<Running> => {
    const home = homeOf(name);
    const handed = state === undefined ? [] : [openSync(state, 'r')];
    const stdio = ['ignore', 'ignore', 'ignore', ...handed] as const;
    const child = spawn('qemu-system-x86_64', args, { cwd: home, stdio: [...stdio] });
    const ended = once(child, 'exit');
    for (const descriptor of handed) closeSync(descriptor);
    const machine = { pid: child.pid ?? NaN, qmp: await connectBareQmp(join(home, 'qmp.sock')), ended };
    machines.set(name, machine);
    return machine;
  };

  /** Starts one that goes on from a state. */
  const goOn = async (name: string, args: readonly string[]): Promise<void> => {
    const state = join(homeOf(name), 'vm/state');
    const { qmp } = await start(name, args, state);
    await qmp.run('migrate-set-capabilities', { capabilities });
    const moved = qmp.moved();
    await qmp.run('migrate-incoming', { uri: 'fd:3' });
    await moved;
    rmSync(state);
    await qmp.run('cont');
  };

  /** Halts one, and has it write its state. */
  const writeState = async ({ qmp }: Running, path: string): Promise<void> => {
    await qmp.run('stop');
    await qmp.run('migrate-set-capabilities', { capabilities });
    await qmp.run('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
    const moved = qmp.moved();
    await qmp.run('migrate', { uri: `exec:cat > ${path}` });
    await moved;
    // Answered once all is written.
    await qmp.run('query-status');
  };

  const newLayer = (home: string, layer: number, backing: string, format: string): Promise<unknown> => {
    const file = `disk-${String(layer)}.qcow2`;
    const options = ['create', '-q', '-u', '-f', 'qcow2', '-b', backing, '-F', format, file, diskSize];
    return run('qemu-img', options, { cwd: join(home, 'vm') });
  };

  /** Lays out a home like the snapshot. */
  const layOut = async (name: string): Promise<string> => {
    const home = makeHome(name);
    for (const file of ['disk-0.qcow2', 'state']) linkSync(join(snapshot, file), join(home, 'vm', file));
    await newLayer(home, 1, 'disk-0.qcow2', 'qcow2');
    return home;
  };

  const copyRam = (from: string, home: string): Promise<unknown> =>
    run('cp', ['--sparse=always', '--reflink=auto', join(from, 'ram'), join(home, 'vm/ram')]);

  const remove = async (name: string): Promise<void> => {
    const machine = machines.get(name);
    machines.delete(name);
    if (machine !== undefined) {
      process.kill(machine.pid, 'SIGKILL');
      await machine.ended;
    }
    rmSync(homeOf(name), { recursive: true });
  };

  return {
    homeOf,
    pidOf: (name) => running(name).pid,

    boot: async (name) => {
      const home = makeHome(name);
      await newLayer(home, 0, join(smallImage, 'disk.raw'), 'raw');
      await start(name, commandLines.boot);
      while (!/^guest-ready/m.test(readFileSync(join(home, 'logs/app.log'), 'utf8')))
        await new Promise((turn) => setTimeout(turn, 5));
    },

    standby: async (name) => {
      const machine = running(name);
      await writeState(machine, 'vm/state');
      await machine.qmp.run('quit').catch(() => undefined);
      await machine.ended;
      machines.delete(name);
    },

    restore: (name) => goOn(name, commandLines.restore),

    forkSnapshot: async (name) => {
      const home = await layOut(name);
      linkSync(join(snapshot, 'ram'), join(home, 'vm/ram'));
      await goOn(name, commandLines.fork);
    },

    forkWithOwnMemory: async (name) => {
      await copyRam(snapshot, await layOut(name));
      await goOn(name, commandLines.restore);
    },

    forkRunning: async (source, name) => {
      const machine = running(source);
      const [from, home] = [join(homeOf(source), 'vm'), makeHome(name)];
      const top = readdirSync(from).filter((file) => file.endsWith('.qcow2')).length - 1;
      const [below, above] = [top, top + 1].map(String);
      await newLayer(homeOf(source), top + 1, `disk-${String(below)}.qcow2`, 'qcow2');
      const startedAt = performance.now();
      await writeState(machine, join(home, 'vm/state'));
      const file = { driver: 'file', filename: `vm/disk-${String(above)}.qcow2` };
      const node = {
        driver: 'qcow2',
        'node-name': `disk${String(above)}`,
        discard: 'unmap',
        file,
        backing: null,
      };
      await machine.qmp.run('blockdev-add', node);
      await machine.qmp.run('blockdev-snapshot', {
        node: `disk${String(below)}`,
        overlay: `disk${String(above)}`,
      });
      await copyRam(from, home);
      await machine.qmp.run('cont');
      const stoodMs = performance.now() - startedAt;
      for (let layer = 0; layer <= top; layer += 1) {
        const frozen = `disk-${String(layer)}.qcow2`;
        linkSync(join(from, frozen), join(home, 'vm', frozen));
      }
      await newLayer(home, top + 1, `disk-${String(below)}.qcow2`, 'qcow2');
      const args = commandLines.restore.map((arg) =>
        arg.replace(/\bdisk-?1\b/g, (disk) => disk.replace('1', String(above))),
      );
      await goOn(name, args);
      return stoodMs;
    },

    delete: remove,
    close: async () => {
      for (const name of readdirSync(homes)) await remove(name);
    },
  };
}

/** What `npm run image` gives the disk, in bytes. */
const diskSize = String(64 * 2 ** 20);

/** The memory lies in a file already; and it is told when a state has been moved. */
const capabilities = [
  { capability: 'x-ignore-shared', state: true },
  { capability: 'events', state: true },
];
