import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { InstanceSpec } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { filter, firstValueFrom, lastValueFrom, NEVER, type Observable, take } from 'rxjs';
import type { Driver, Machine } from '../../../src/drivers/driver.js';
import { hostPortOf } from '../../../src/drivers/qemu/hostPortOf.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(180_000);

const isRoot = process.geteuid?.() === 0;
let folder: string;
let driver: Driver;
let server: Server;
let arrived = 0;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 's-'));
  driver = createQemuDriver({ accel: 'tcg', pollMs: 5 });
  arrived = 0;
  server = createServer((socket) => {
    arrived += 1;
    socket.on('error', () => undefined).destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  await done(driver.close?.());
  await once(server.close(), 'close');
  rmSync(folder, { recursive: true });
});

const done = (work$: Observable<unknown> | undefined): Promise<unknown> =>
  work$ === undefined ? Promise.resolve() : lastValueFrom(work$, { defaultValue: undefined });

const small = resolve('build/images/small');

/** A machine whose guest asks the host's loopback for a connection, again and again, and says each time that it has. */
const planOf = (fields: Partial<InstanceSpec> = {}, name = 'a') => ({
  ...{ instanceId: name, name, home: join(folder, name) },
  spec: {
    ...{ driver: 'qemu', image: small, env: {}, tags: {}, ports: [{ guest: 80 }] },
    cmd: [
      'sh',
      '-c',
      `while true; do echo | nc -w 2 10.0.2.2 ${String(port)}; echo has asked; usleep 100000; done`,
    ],
    ...fields,
  },
});

const says = (plan: ReturnType<typeof planOf>, line: string, times = 1): Promise<unknown> =>
  lastValueFrom(
    driver.logs(plan.home, { source: 'app', tail: 0, followUntil$: NEVER }).pipe(
      filter(({ text }) => text.trim() === line),
      take(times),
    ),
  );

async function launch(plan: ReturnType<typeof planOf>): Promise<Machine> {
  await done(driver.prepare(plan));
  return firstValueFrom(driver.launch(plan));
}

async function resume(plan: ReturnType<typeof planOf>): Promise<Machine> {
  if (driver.resume === undefined) throw new Error('it cannot keep memory');
  return firstValueFrom(driver.resume(plan));
}

const answers = async (machine: Machine): Promise<number> =>
  (await fetch(`http://127.0.0.1:${String(hostPortOf(machine, 80))}/`)).status;

it('a guest reaches nothing of the host and is reached by its ports; that it may is no part of its memory', async () => {
  const [closed, open] = [planOf(), planOf({ network: 'user' })];
  const first = await launch(closed);
  await says(closed, 'has asked', 3);
  expect([arrived, await answers(first)]).toEqual([0, 200]);

  // As a memory was kept by version 0.1, and the other way round.
  await done(first.freezing?.suspend?.());
  await done(first.kill());
  const second = await resume(open);
  await done(second.freezing?.thaw());
  await says(open, 'has asked', 3);
  expect([arrived > 0, await answers(second)]).toEqual([true, 200]);

  await done(second.freezing?.suspend?.());
  await done(second.kill());
  const third = await resume(closed);
  await done(third.freezing?.thaw());
  await says(closed, 'has asked');
  arrived = 0;
  await says(closed, 'has asked', 3);
  expect([arrived, await answers(third)]).toEqual([0, 200]);
  await done(third.kill());
});

const statusOf = (machine: Machine): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readFileSync(`/proc/${String(machine.handle.pid)}/status`, 'utf8')
      .split('\n')
      .map((line) => line.split(/:\s*/) as [string, string]),
  );

const descriptorsOf = (machine: Machine): readonly string[] => {
  const listed = `/proc/${String(machine.handle.pid)}/fd`;
  return readdirSync(listed).map((fd) => `${fd} ${readlinkSync(join(listed, fd))}`);
};

it('a QEMU is no root, gains no rights and starts no programs, and keeps what it had when its memory is kept', async () => {
  const plan = planOf();
  const machine = await launch(plan);
  const { Uid = '', CapEff, Seccomp, NoNewPrivs } = statusOf(machine);
  expect({ Seccomp, NoNewPrivs }).toEqual({ Seccomp: '2', NoNewPrivs: '1' });
  if (isRoot) {
    expect(CapEff).toMatch(/^0+$/);
    expect(Uid.split('\t')).not.toContain('0');
  }
  await done(machine.kill());
});

it('a QEMU has open what it was started with and what it opened itself, and nothing else', async () => {
  // What a database leaves open for all that is started would be seen.
  const plan = planOf();
  const machine = await launch(plan);
  const home = plan.home;
  const meant = [
    ...[
      '/dev/null',
      join(home, 'console.in'),
      join(home, 'logs/vmm.log'),
      join(home, 'logs/app.log'),
      join(home, 'vm/ram'),
    ],
    ...[join(home, 'vm/disk-0.qcow2'), join(small, 'disk.raw'), '/dev/kvm'],
  ];
  const others = descriptorsOf(machine)
    .map((each) => each.slice(each.indexOf(' ') + 1))
    .filter((path) => !/^(socket|pipe|anon_inode):|^\/memfd:/.test(path));
  expect(others.filter((path) => !meant.includes(path.replace(' (deleted)', '')))).toEqual([]);
  await done(machine.kill());
});

describe('a manager', () => {
  it('keeps all files its own, of which the user of QEMU can write to none but those that it has open', async () => {
    const plan = planOf();
    const machine = await launch(plan);
    await says(plan, 'guest-ready');
    await done(machine.freezing?.freeze());
    // A layer is put on top, and the state is written, while it is that user already.
    await done(driver.prepare({ ...planOf({}, 'copy'), copyOf: plan.home, kind: 'Standby' }));
    await done(machine.freezing?.thaw());
    await says(plan, 'has asked', 2);
    for (const name of readdirSync(plan.home, { recursive: true, encoding: 'utf8' })) {
      // Leads to nothing of anybody's.
      if (name === 'console.out') {
        expect(readlinkSync(join(plan.home, name))).toBe('/dev/null');
        continue;
      }
      const { uid, mode } = statSync(join(plan.home, name));
      expect([name, uid, mode & 0o022]).toEqual([name, process.geteuid?.(), 0]);
    }
    await done(machine.kill());
    const copy = planOf({}, 'copy');
    const second = await resume(copy);
    await done(second.freezing?.thaw());
    await says(copy, 'has asked');
    // And once more, of one that was resumed.
    await done(second.freezing?.freeze());
    await done(driver.prepare({ ...planOf({}, 'third'), copyOf: copy.home, kind: 'Stopped' }));
    await done(second.freezing?.thaw());
    await says(copy, 'has asked');
    await done(second.kill());
    for (const home of [plan.home, copy.home])
      execFileSync('qemu-img', ['check', '-q', '-U', join(home, 'vm/disk-1.qcow2')]);
  });

  it('that is root may name the user, who has to be there, or stay root; any other may not', async () => {
    if (!isRoot) {
      expect(() => createQemuDriver({ user: 'daemon' })).toThrow('only root runs QEMU as another user');
      return;
    }
    await done(driver.close?.());
    driver = createQemuDriver({ accel: 'tcg', pollMs: 5, user: 'daemon' });
    const machine = await launch(planOf());
    const uid = execFileSync('id', ['-u', 'daemon'], { encoding: 'utf8' }).trim();
    expect(statusOf(machine)['Uid']?.split('\t')).toEqual([uid, uid, uid, uid]);
    await done(machine.kill());
    await done(driver.close?.());

    driver = createQemuDriver({ accel: 'tcg', pollMs: 5, user: 'root' });
    const second = await launch(planOf({}, 'b'));
    expect(statusOf(second)['Uid']?.split('\t')).toEqual(['0', '0', '0', '0']);
    await done(second.kill());
    await done(driver.close?.());

    driver = createQemuDriver({ accel: 'tcg', user: 'no-such-user' });
    await expect(launch(planOf({}, 'c'))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining('there is no user "no-such-user"') as string,
    });
  });
});

it.each<[string, (home: string) => void]>([
  [
    'a log that is a link',
    (home) => {
      rmSync(join(home, 'logs/app.log'), { force: true });
      symlinkSync(join(folder, 'elsewhere'), join(home, 'logs/app.log'));
    },
  ],
  [
    'a log that is a pipe',
    (home) => {
      rmSync(join(home, 'logs/app.log'), { force: true });
      execFileSync('mkfifo', [join(home, 'logs/app.log')]);
    },
  ],
  [
    'a folder for logs that is a link',
    (home) => {
      rmSync(join(home, 'logs'), { recursive: true });
      mkdirSync(join(folder, 'logs'));
      symlinkSync(join(folder, 'logs'), join(home, 'logs'));
    },
  ],
])('a home is not started with %s', async (_, damage) => {
  const plan = planOf();
  writeFileSync(join(folder, 'elsewhere'), 'of others');
  await done(driver.prepare(plan));
  damage(plan.home);
  await expect(firstValueFrom(driver.launch(plan))).rejects.toThrow(/is damaged: .* is no (file|folder)/);
  expect(readFileSync(join(folder, 'elsewhere'), 'utf8')).toBe('of others');
});

it('what is told to a guest, and what is written down, goes through no link; its image may lie in a folder with commas and blanks', async () => {
  const odd = join(folder, 'a, b,,c');
  symlinkSync(small, odd);
  const plan = planOf({ image: odd });
  const other = join(folder, 'elsewhere');
  writeFileSync(other, 'of others');
  await done(driver.prepare(plan));
  for (const name of ['environ', 'cmdline', 'initrd', 'config.json.part', 'config.json'])
    symlinkSync(other, join(plan.home, name));
  const machine = await firstValueFrom(driver.launch(plan));
  await says(plan, 'guest-ready');
  await done(machine.kill());
  expect(readFileSync(other, 'utf8')).toBe('of others');
});
