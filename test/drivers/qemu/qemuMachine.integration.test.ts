import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, type Observable, of, throwError } from 'rxjs';
import { decodeOrThrow } from '../../../src/codecs/decode.js';
import { createRuns } from '../../../src/drivers/host/runs.js';
import { createSpawner } from '../../../src/drivers/host/spawner.js';
import { createDisks } from '../../../src/drivers/qemu/disk.js';
import { createFileIdentities } from '../../../src/drivers/qemu/fileIdentity.js';
import { createGuestAgent } from '../../../src/drivers/qemu/guestAgent.js';
import { readImage } from '../../../src/drivers/qemu/image.js';
import { bootOf } from '../../../src/drivers/qemu/keptBoot.js';
import { createPrograms } from '../../../src/drivers/qemu/programs.js';
import {
  createQemuMachine,
  type QemuMachine,
  type QemuMachineOptions,
} from '../../../src/drivers/qemu/qemuMachine.js';
import type { Qmp } from '../../../src/drivers/qemu/qmp.js';
import type { QmpLink } from '../../../src/drivers/qemu/qmpLink.js';
import { createSoundFolders } from '../../../src/drivers/qemu/soundFolders.js';
import { startQemu } from '../../../src/drivers/qemu/startQemu.js';
import { makeTinyImage } from './tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(60_000);

const spawner = createSpawner();
const runs = createRuns({ pollMs: 5, spawner: spawner });
const disks = createDisks('qemu-img', createPrograms());
const sound = createSoundFolders();
/** The commands that QEMU is not given, with what they fail instead. */
const broken = new Map<string, Error>();
/** The state that the guest is said to be in. */
let said: string | undefined;
let folder: string;
let home: string;
let machine: QemuMachine;
let options: QemuMachineOptions;

const done = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });

const breakable = (qmp: Qmp): Qmp => ({
  ...qmp,
  ask: (command, returns, parameters) =>
    command === 'query-status' && said !== undefined
      ? of(decodeOrThrow(returns, { status: said }))
      : qmp.ask(command, returns, parameters),
  run: (command, parameters) => {
    const error = broken.get(command);
    return error === undefined ? qmp.run(command, parameters) : throwError(() => error);
  },
});

const layersOf = (of: string): readonly string[] =>
  readdirSync(of)
    .filter((name) => name.endsWith('.qcow2'))
    .toSorted();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'q-'));
  home = join(folder, 'home');
  broken.clear();
  said = undefined;
  const directory = makeTinyImage(join(folder, 'idle'), 'idle');
  const image = await readImage(directory);
  for (const name of ['', 'vm', 'logs']) mkdirSync(join(home, name));
  await disks.begin(join(home, 'vm'), { file: join(directory, 'disk.raw'), format: 'raw' });
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -q -P 7 0 512', join(home, 'vm/disk-0.qcow2')]);
  const vm = {
    ...({ qemu: '', machine: 'pc', accel: 'tcg', cpu: 'max' } as const),
    ...{ vcpus: 1, memoryMiB: 16, hasDisk: true },
  };
  const started = await startQemu(runs, {
    ...{ instanceId: 'a', name: 'a', home, program: 'qemu-system-x86_64', vm, ramIsShared: true },
    spec: { driver: 'qemu', image: directory, env: {}, tags: {} },
    disk: await disks.top(join(home, 'vm')),
    confinement: { user: undefined, hasSandbox: true },
    boot: bootOf(image),
    ramIn: undefined,
  });
  const link: QmpLink = {
    ...started.link,
    use: (work) => started.link.use((qmp) => work(breakable(qmp))),
  };
  options = {
    ...{
      run: started.run,
      home,
      vm,
      user: undefined,
      ramIsShared: true,
      link,
      disks,
      sound,
      logs: [],
      readiness$: undefined,
      boot: undefined,
      agent: undefined,
      env: {},
      checkFit: () => Promise.resolve(),
      identities: createFileIdentities(),
    },
    handle: { ...started.run.handle, ports: [] },
    logLimits: { maxBytes: 1_000_000, keep: 1 },
  };
  machine = createQemuMachine(options);
});

afterEach(async () => {
  await done(machine.kill());
  machine.link.close();
  rmSync(folder, { recursive: true });
});
afterAll(() => runs.close());

it.each(['blockdev-add', 'blockdev-snapshot'])(
  'can be copied after a copy failed because QEMU did not do "%s"',
  async (command) => {
    const copy = join(folder, `after-${command}`);
    const before = await disks.top(join(home, 'vm'));
    await done(machine.freezing?.freeze() ?? throwError(() => new Error('it cannot be halted')));
    broken.set(command, new Error('input/output error'));
    for (let times = 0; times < 2; times += 1) {
      await expect(done(machine.copyTo(copy, 'Stopped'))).rejects.toThrow('input/output error');
      expect(await disks.top(join(home, 'vm'))).toEqual(before);
    }
    broken.clear();
    await done(machine.copyTo(copy, 'Stopped'));
    expect(layersOf(copy)).toEqual(['disk-0.qcow2', 'disk-1.qcow2']);
    expect(await disks.top(join(home, 'vm'))).toEqual({ file: 'disk-1.qcow2', node: 'disk1' });
    await done(machine.freezing?.thaw() ?? throwError(() => new Error('it cannot go on')));
  },
);

it('can be copied where a layer was left open, as by a manager that was killed over it', async () => {
  const copy = join(folder, 'copy');
  await done(machine.freezing?.freeze() ?? throwError(() => new Error('it cannot be halted')));
  for (const command of ['blockdev-snapshot', 'blockdev-del']) broken.set(command, new Error('killed'));
  await expect(done(machine.copyTo(copy, 'Stopped'))).rejects.toThrow('killed');
  broken.clear();
  await done(machine.copyTo(copy, 'Stopped'));
  expect(layersOf(copy)).toEqual(['disk-0.qcow2', 'disk-1.qcow2']);
});

it('a state of QEMU that is not known is told by its name, and does not keep the guest from going on', async () => {
  said = 'half-awake';
  await expect(done(machine.inspect())).rejects.toThrow(
    'QEMU tells a state of the guest that is not known here: half-awake',
  );
  await done(machine.freezing?.thaw() ?? throwError(() => new Error('it cannot go on')));
  said = undefined;
  expect(await done(machine.inspect())).toMatchObject({ kind: 'running' });
});

it('runs no other programs where its guest has no agent', async () => {
  const program = { command: ['true'], hasInput: false, hasOutput: false };
  const work$ = machine.exec?.(program) ?? throwError(() => new Error('it cannot be asked'));
  await expect(done(work$)).rejects.toMatchObject({
    _tag: 'NotSupported',
    message: expect.stringContaining('its guest has no agent') as string,
  });
});

it('reaches no files where its guest has no agent, or an earlier one', async () => {
  await expect(done(machine.files.stat('a'))).rejects.toMatchObject({
    ...{ _tag: 'NotSupported', verb: 'files' },
    message: expect.stringContaining('its guest has no agent') as string,
  });
  const agent = createGuestAgent({ home, instanceId: 'a', name: 'a' });
  const older = createQemuMachine({ ...options, agent, vm: { ...options.vm, agent: 1 } });
  await expect(done(older.files.stat('a'))).rejects.toMatchObject({
    ...{ _tag: 'NotSupported', verb: 'files' },
    message: expect.stringContaining(
      'is of version 1, and reaches no files; that of version 2 does',
    ) as string,
  });
});
