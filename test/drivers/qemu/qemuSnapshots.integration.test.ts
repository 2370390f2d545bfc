import { mkdtempSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { createDisks } from '../../../src/drivers/qemu/disk.js';
import { createQemuSnapshots } from '../../../src/drivers/qemu/qemuSnapshots.js';
import { createKeptHashes } from '../../../src/drivers/qemu/keptHashes.js';
import { createSoundFolders } from '../../../src/drivers/qemu/soundFolders.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qemu-snapshots-'));
});
afterEach(() => removeTree(folder));

it('what was changed in a snapshot that was found sound is told, though it has its time again', async () => {
  const sound = createSoundFolders();
  const disks = createDisks('qemu-img', { run: () => Promise.reject(new Error('no program is needed')) });
  const snapshots = createQemuSnapshots({
    keptHashes: createKeptHashes(sound, disks),
    disks,
    sound,
    copyMachine: (_, to) => {
      writeFileSync(join(to, 'disk'), 'one');
      return Promise.resolve();
    },
  });
  const plan = {
    ...{ instanceId: 'id', name: 'name', home: join(folder, 'home'), folder: join(folder, 'snapshot') },
    ...{ spec: { driver: 'qemu', image: '/none', env: {}, tags: {} }, kind: 'Stopped' as const },
  };
  await lastValueFrom(snapshots.take(plan), { defaultValue: undefined });
  const content = await firstValueFrom(snapshots.seal(plan.folder));
  expect(await firstValueFrom(snapshots.check(plan.folder, content))).toEqual([]);

  const disk = join(plan.folder, 'vm', 'disk');
  const { atime, mtime } = statSync(disk);
  // Whole seconds come back as they were.
  utimesSync(disk, atime, Math.floor(mtime.getTime() / 1_000));
  expect(await firstValueFrom(snapshots.check(plan.folder, content))).toEqual([]);
  const set = statSync(disk);
  writeFileSync(disk, 'two');
  utimesSync(disk, set.atime, set.mtime);
  const faults = await firstValueFrom(snapshots.check(plan.folder, content));
  expect(faults.map(({ path }) => path)).toEqual(['vm/disk']);
});
