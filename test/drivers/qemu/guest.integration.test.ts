import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as t from 'io-ts';
import {
  defer,
  filter,
  firstValueFrom,
  lastValueFrom,
  NEVER,
  repeat,
  retry,
  skip,
  Subject,
  takeUntil,
  toArray,
} from 'rxjs';
import { createLogFiles } from '../../../src/drivers/host/logFiles.js';
import { followFrom } from '../../../src/drivers/host/logReader.js';
import { qemuArgs } from '../../../src/drivers/qemu/args.js';
import { forwardedPorts, guestAccepts, isDead } from '../../../src/drivers/qemu/guest.js';
import { readImage } from '../../../src/drivers/qemu/image.js';
import { connectQmp, type Qmp } from '../../../src/drivers/qemu/qmp.js';
import { createQmpLink, type QmpLink } from '../../../src/drivers/qemu/qmpLink.js';
import type { MachinePort } from '../../../src/drivers/host/machinePorts.js';
import { makeTinyImage, type TinyKernel } from './tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

// The kernel lies in it.
const folder = mkdtempSync(join(tmpdir(), 'guest, "odd" '));
const pollMs = 5;

/** A guest, by the command line of the driver. */
interface Guest {
  readonly link: QmpLink;
  /** Resolves once it has said a line. */
  says(line: string): Promise<unknown>;
  end(): Promise<void>;
}

interface GuestOptions {
  readonly vcpus?: number;
  readonly guestPorts?: readonly number[];
  readonly cmd?: readonly string[];
}

const guests: Guest[] = [];
let homes = 0;

async function start(
  directory: string,
  { vcpus = 1, guestPorts = [], cmd = [] }: GuestOptions,
): Promise<Guest> {
  const image = await readImage(directory);
  // Not in the odd folder, whose path is long.
  const home = mkdtempSync(join(tmpdir(), `g${String((homes += 1))}-`));
  for (const name of ['vm', 'logs']) mkdirSync(join(home, name));
  writeFileSync(join(home, 'environ'), '');
  execFileSync('mkfifo', [join(home, 'console.in')]);
  symlinkSync('/dev/null', join(home, 'console.out'));
  writeFileSync(join(home, 'cmdline'), cmd.map((text) => `${text}\0`).join(''));
  const vm = {
    ...({ qemu: '', machine: 'pc', accel: 'tcg', cpu: 'max' } as const),
    ...{ vcpus, memoryMiB: image.memoryMiB, hasDisk: false },
  };
  const args = qemuArgs(vm, {
    ...{ isShared: true, disk: undefined, guestPorts, reachesHost: false, boot: image },
    confinement: { user: undefined, hasSandbox: true },
  });
  return run(args, home);
}

function run(args: readonly string[], home: string): Guest {
  const qemu = spawn('qemu-system-x86_64', [...args], { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] });
  const path = join(home, 'qmp.sock');
  const link = createQmpLink(path, () =>
    defer(() => connectQmp(path)).pipe(retry({ delay: pollMs, count: 4_000 })),
  );
  const guest: Guest = {
    link,
    says: (line) =>
      firstValueFrom(
        followFrom(createLogFiles(home), 0, { pollMs, end$: NEVER }).pipe(
          filter(({ text }) => text.trim() === line),
        ),
      ),
    end: async () => {
      link.close();
      await killed(qemu);
      rmSync(home, { recursive: true });
    },
  };
  guests.push(guest);
  return guest;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const tiny = (kernel: TinyKernel, options: GuestOptions = {}): Promise<Guest> =>
  start(makeTinyImage(join(folder, kernel), kernel), options);

const ask = <T>({ link }: Guest, question: (qmp: Qmp) => ReturnType<typeof link.use<T>>): Promise<T> =>
  firstValueFrom(link.use(question));

const monitor = (guest: Guest, command: string): Promise<string> =>
  ask(guest, (qmp) => qmp.ask('human-monitor-command', t.string, { 'command-line': command }));

/** Looks until it is so. */
const until = <T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> =>
  firstValueFrom(defer(look).pipe(repeat({ delay: pollMs }), filter(good)));

const haltedOf = (registers: string): readonly string[] =>
  [...registers.matchAll(/HLT=([01])/g)].map(([, halted = '']) => halted);

afterAll(async () => {
  for (const guest of guests) await guest.end();
  rmSync(folder, { recursive: true });
});

describe('a guest is dead', () => {
  it.each([1, 2])('when none of its %d processors can ever go on', async (vcpus) => {
    const guest = await tiny('halted', { vcpus });
    await until(() => ask(guest, isDead), Boolean);
    expect(haltedOf(await monitor(guest, 'info registers -a'))).toEqual(Array(vcpus).fill('1'));
  });

  it.each([1, 2])('not while one of %d sleeps until it is woken', async (vcpus) => {
    const guest = await tiny('idle', { vcpus });
    await until(
      () => monitor(guest, 'info registers -a'),
      // The one that sleeps lets itself be woken; the other was never started.
      (registers) =>
        haltedOf(registers).every((halted) => halted === '1') && /FL=00000[2367]/.test(registers),
    );
    await expect(ask(guest, isDead)).resolves.toBe(false);
  });

  it('not while it works', async () => {
    const guest = await tiny('counting', { vcpus: 2 });
    await guest.says('count 2.');
    await expect(ask(guest, isDead)).resolves.toBe(false);
  });

  it('not where it has no processors', async () => {
    const home = mkdtempSync(join(tmpdir(), 'none-'));
    const args = ['-nodefaults', '-display', 'none', '-machine', 'none'];
    const guest = run([...args, '-qmp', 'unix:qmp.sock,server=on,wait=off'], home);
    await expect(ask(guest, isDead)).resolves.toBe(false);
  });
});

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

describe('the ports of this host', () => {
  it('are none where none were asked for', async () => {
    await expect(ask(await tiny('idle'), forwardedPorts)).resolves.toEqual([]);
  });

  it('are free ones, told with those of the guest to which they lead', async () => {
    const guest = await tiny('idle', { guestPorts: [80, 22, 65_535] });
    const ports = await ask(guest, forwardedPorts);
    expect(ports.map((port) => port.guest).toSorted()).toEqual([22, 65_535, 80]);
    expect(new Set(ports.map((port) => port.host)).size).toBe(3);
  });
});

/** A link that tells each look at the guest. */
function watched({ link }: Guest) {
  const looks$ = new Subject<void>();
  const counted: QmpLink = {
    ...link,
    use: (work) =>
      link.use((qmp) => {
        looks$.next();
        return work(qmp);
      }),
  };
  return { link: counted, looks$ };
}

describe('a port of a guest', () => {
  let small: Guest;
  let ports: readonly MachinePort[];

  const hostOf = (port: number): number => ports.find(({ guest }) => guest === port)?.host ?? 0;

  beforeAll(async () => {
    small = await start(resolve('build/images/small'), { guestPorts: [80, 81] });
    ports = await ask(small, forwardedPorts);
    await small.says('guest-ready');
  });

  it('accepts once somebody listens there, which is told once, and the connection is let go of', async () => {
    const told = await lastValueFrom(guestAccepts(small.link, hostOf(80), pollMs).pipe(toArray()));
    expect(told).toEqual([true]);
    await until(
      () => monitor(small, 'info usernet'),
      (text) => !text.includes('TCP[ESTABLISHED]'),
    );
  });

  it('does not accept because another one does', async () => {
    const first = connect({ host: '127.0.0.1', port: hostOf(80) });
    await until(
      () => monitor(small, 'info usernet'),
      (text) => text.includes('TCP[ESTABLISHED]'),
    );
    await expect(firstValueFrom(guestAccepts(small.link, hostOf(81), pollMs))).rejects.toThrow();
    first.destroy();
    await once(first, 'close');
  });

  it('refuses where nobody listens, although QEMU has accepted', async () => {
    await expect(firstValueFrom(guestAccepts(small.link, hostOf(81), pollMs))).rejects.toThrow(
      'the guest refuses the connection',
    );
  });

  it('is not told to accept by a guest that does not answer, however often it is looked at', async () => {
    const deaf = await tiny('deaf', { guestPorts: [80] });
    const [port] = await ask(deaf, forwardedPorts);
    const { link, looks$ } = watched(deaf);
    const enough$ = looks$.pipe(skip(19));
    const told = lastValueFrom(
      guestAccepts(link, port?.host ?? 0, pollMs).pipe(takeUntil(enough$), toArray()),
    );
    await expect(told).resolves.toEqual([]);
  });

  it('fails where no QEMU listens on this host', async () => {
    const accepting = firstValueFrom(guestAccepts(small.link, await freePort(), pollMs));
    await expect(accepting).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
