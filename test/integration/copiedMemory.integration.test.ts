import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { filter, firstValueFrom as value, map, take, toArray } from 'rxjs';
import { makeTinyImage } from '../drivers/qemu/tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(90_000);

let folder: string;
let manager: InstanceManager;

const open = async (dataDir: string): Promise<void> => {
  manager = await openManager({
    dataDir: join(folder, dataDir),
    drivers: [createQemuDriver({ accel: 'tcg', pollMs: 5 })],
  });
};

const counts = (name: string): Promise<readonly number[]> =>
  value(
    manager.logs(name, { tail: 0, follow: true }).pipe(
      map(({ text }) => Number(/^count (\d+)\.$/.exec(text)?.[1])),
      filter((count) => count > 0),
      take(1),
      toArray(),
    ),
  );

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'c-'));
  await open('data');
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});

/** One on Standby, and a snapshot of it, in a data directory that no manager holds any more. */
async function closed(): Promise<{ readonly home: string; readonly snapshot: string }> {
  const image = makeTinyImage(join(folder, 'writing'), 'writing');
  const { id } = await value(manager.create({ name: 'web', image }));
  await counts('web');
  await value(manager.standby('web'));
  const { id: snapshot } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
  await value(manager.fork('web', { name: 'copy' }));
  await manager.close();
  return { home: join('instances', id), snapshot };
}

it.each([
  ['cp -r', (from: string, to: string) => execFileSync('cp', ['-r', from, to])],
  [
    'tar',
    (from: string, to: string) =>
      execFileSync('sh', ['-c', `mkdir ${to}; tar -C ${from} -c . | tar -C ${to} -x`]),
  ],
])('what a data directory holds that was copied by %s goes on', async (_, copy) => {
  const { snapshot } = await closed();
  copy(join(folder, 'data'), join(folder, 'other'));
  await open('other');
  for (const name of ['web', 'copy']) {
    await value(manager.restore(name));
    await counts(name);
  }
  await value(manager.forkSnapshot(snapshot, { name: 'forked', targetState: 'Running' }));
  await value(manager.stop('web'));
  await value(manager.restoreSnapshot('web', snapshot, { targetState: 'Running' }));
  for (const name of ['forked', 'web']) await counts(name);
});

/** Puts another file of the same size and time in the place of one. */
function replace(path: string): void {
  const { atime, mtime, size } = statSync(path);
  copyFileSync(path, `${path}.other`);
  const file = openSync(`${path}.other`, 'r+');
  writeSync(file, 'x', size - 512);
  closeSync(file);
  utimesSync(`${path}.other`, atime, mtime);
  renameSync(`${path}.other`, path);
}

it.each([
  ['a memory', 'ram', 'ram.sha256'],
  // The topmost one is that of the copy alone.
  ['a disk', 'disk-0.qcow2', 'disk.0.sha256'],
])('%s in whose place another of the same size and time lies is told', async (_, name, path) => {
  const { home } = await closed();
  replace(join(folder, 'data', home, 'vm', name));
  await open('data');
  await expect(value(manager.restore('web'))).rejects.toMatchObject({
    _tag: 'SnapshotIncompatible',
    differences: [{ path }],
  });
  await value(manager.restore('copy'));
});

it('a disk that was written to after its memory was kept is told, though it has its time again', async () => {
  const image = makeTinyImage(join(folder, 'writing'), 'writing');
  const { id } = await value(manager.create({ name: 'web', image }));
  await counts('web');
  await value(manager.standby('web'));
  await manager.close();
  const disk = join(folder, 'data/instances', id, 'vm/disk-0.qcow2');
  const { atime, mtime, size } = statSync(disk);
  const file = openSync(disk, 'r+');
  writeSync(file, 'x', size - 512);
  closeSync(file);
  utimesSync(disk, atime, mtime);
  await open('data');
  await expect(value(manager.restore('web'))).rejects.toMatchObject({
    differences: [{ path: 'disk.0.sha256' }],
  });
  await value(manager.stop('web'));
  await value(manager.start('web'));
});
