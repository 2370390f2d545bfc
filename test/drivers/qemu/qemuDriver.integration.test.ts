import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { InstanceSpec } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import type { Driver, Machine, SnapshotContent } from '../../../src/drivers/driver.js';
import { until } from '../../support/until.js';
import { makeTinyImage } from './tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(60_000);

let folder: string;
let driver: Driver;
let last: Machine | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'd-'));
  driver = createQemuDriver({ accel: 'tcg', pollMs: 5 });
});
afterEach(async () => {
  await done(last?.kill());
  await done(driver.close?.());
  rmSync(folder, { recursive: true });
});

const done = (work$: Observable<unknown> | undefined): Promise<unknown> =>
  work$ === undefined ? Promise.resolve() : lastValueFrom(work$, { defaultValue: undefined });

/** Says in the image whether it has a disk. */
function rewrite(image: string, disk: object | undefined): void {
  const path = join(image, 'image.json');
  const { disk: _, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...rest, ...(disk !== undefined && { disk }) }));
}

const raw = { file: 'disk.raw', format: 'raw' };

it.each([
  ['gains', undefined, raw],
  ['loses', raw, undefined],
])('memory is kept and brought back of a machine whose image %s a disk', async (_, before, after) => {
  const image = makeTinyImage(join(folder, 'image'), 'idle');
  rewrite(image, before);
  const spec = { driver: 'qemu', image, env: {}, tags: {} };
  const plan = { instanceId: 'a', name: 'a', home: join(folder, 'a'), spec };
  await done(driver.prepare(plan));
  rewrite(image, after);
  const first = (last = await firstValueFrom(driver.launch(plan)));
  await done(first.freezing?.suspend?.());
  await done(first.kill());
  const second = (last = await firstValueFrom(driver.resume?.(plan) as Observable<Machine>));
  await done(second.freezing?.thaw());
  expect(await firstValueFrom(second.inspect())).toMatchObject({ kind: 'running' });
});

it('what was made of an image by a link goes on being of it when the link leads to another, as do copies of it', async () => {
  const link = join(folder, 'current');
  const switchTo = (image: string): void => {
    rmSync(link, { force: true });
    symlinkSync(image, link);
  };
  switchTo(makeTinyImage(join(folder, 'former'), 'printing'));
  const spec = { driver: 'qemu', image: link, env: {}, tags: {} };
  const planOf = (instanceId: string) => ({
    ...{ instanceId, name: instanceId, home: join(folder, instanceId), spec },
  });
  const original = planOf('a');
  await done(driver.prepare(original));
  const latter = makeTinyImage(join(folder, 'latter'), 'idle');
  writeFileSync(join(latter, 'disk.raw'), 'of the latter'.padEnd(65_536));
  switchTo(latter);

  const snapshot = { folder: join(folder, 'snapshot'), kind: 'Stopped' } as const;
  await done(driver.snapshots?.take({ ...original, ...snapshot }));
  const content = await firstValueFrom(
    driver.snapshots?.seal(snapshot.folder) as Observable<SnapshotContent>,
  );
  const [copy, restored] = [planOf('b'), planOf('c')];
  await done(driver.prepare({ ...copy, copyOf: original.home }));
  await done(driver.snapshots?.layOut({ ...restored, ...snapshot }, content));

  for (const plan of [original, copy, restored]) {
    last = await firstValueFrom(driver.launch(plan));
    const said = (): string => readFileSync(join(plan.home, 'logs/app.log'), 'utf8');
    expect(await until(said, (log) => log.includes('three'))).toContain('three');
    await done(last.kill());
  }
});

it('what cannot be started is refused before QEMU is, with what keeps it from it', async () => {
  const image = makeTinyImage(join(folder, 'image'), 'idle');
  const spec = { driver: 'qemu', image, env: {}, tags: {} };
  const plan = { instanceId: 'a', name: 'a', home: join(folder, 'a'), spec };
  await done(driver.prepare(plan));
  const launched = (more: Partial<InstanceSpec>): Promise<unknown> =>
    done(driver.launch({ ...plan, spec: { ...spec, ...more } }));
  truncateSync(join(image, 'kernel'), 20 * 2 ** 20);
  await expect(launched({ memoryMiB: 20 })).rejects.toMatchObject({
    _tag: 'LaunchFailed',
    message: expect.stringContaining(
      'the machine has 20 MiB of memory (memoryMiB), and its kernel alone takes 20 MiB',
    ) as string,
  });
});

/** A program that is QEMU, but says that it is of some version. */
const claim = (path: string, version: string): void => {
  const script = `#!/bin/sh
[ "$1" = --version ] && echo "QEMU emulator version ${version}" && exit
exec qemu-system-x86_64 "$@"
`;
  writeFileSync(path, script, { mode: 0o755 });
};

it('a machine whose QEMU was updated since is not put on standby, and runs on; its programs may be named by relative paths', async () => {
  const image = makeTinyImage(join(folder, 'image'), 'idle');
  const program = join(folder, 'qemu');
  claim(program, '7.2.1');
  const updated = createQemuDriver({ accel: 'tcg', pollMs: 5, qemu: relative(process.cwd(), program) });
  const spec = { driver: 'qemu', image, env: {}, tags: {} };
  const plan = { instanceId: 'a', name: 'a', home: join(folder, 'a'), spec };
  await done(updated.prepare(plan));
  const machine = (last = await firstValueFrom(updated.launch(plan)));
  rmSync(program);
  claim(program, '9.9.9');
  await expect(done(machine.freezing?.suspend?.())).rejects.toThrow(
    /^QEMU 7\.2\.1 .* runs the machine, and ".*qemu" is 9\.9\.9 .* by now/,
  );
  expect(await firstValueFrom(machine.inspect())).toMatchObject({ kind: 'running' });
  rmSync(program);
  claim(program, '7.2.1');
  await done(machine.freezing?.suspend?.());
  await done(machine.kill());
  await done(updated.close?.());
});
