import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, type Observable } from 'rxjs';
import {
  createProcessDriver,
  type InstanceManager,
  type Logger,
  openManager,
  type Snapshot,
} from 'rx-instances';
import { ownMark } from '../../src/drivers/driver.js';
import { removeTree } from '../../src/drivers/host/removeTree.js';
import { noLogger } from '../../src/manager/noLogger.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let folder: string;
let dataDir: string;
let manager: InstanceManager | undefined;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'snapshots-')));
  dataDir = join(folder, 'data');
});

afterEach(async () => {
  await manager?.close({ stopInstances: true });
  manager = undefined;
  await removeTree(folder);
});

async function open(logger: Logger = noLogger): Promise<InstanceManager> {
  return (manager = await openManager({ dataDir, logger, drivers: [createProcessDriver({ pollMs: 5 })] }));
}

async function reopen(): Promise<InstanceManager> {
  await manager?.close({ stopInstances: true });
  return open();
}

/** A Stopped instance, whose working directory has so many files. */
async function made(files: number): Promise<string> {
  const image = join(folder, 'image');
  mkdirSync(join(image, 'deep', 'empty'), { recursive: true });
  for (let file = 0; file < files; file += 1) writeFileSync(join(image, 'deep', String(file)), 'as it was');
  symlinkSync('deep/0', join(image, 'link'));
  writeFileSync(join(image, 'run'), '#!/bin/sh\nexec sleep 600\n');
  chmodSync(join(image, 'run'), 0o755);
  // What may not be written hinders nobody.
  chmodSync(join(image, 'deep'), 0o555);
  const opened = await open();
  const { id } = await value(opened.create({ name: 'web', image, entrypoint: ['./run'] }));
  await value(opened.stop('web'));
  return id;
}

const workOf = (id: string): string => join(dataDir, 'instances', id, 'work');
/** What lies in a home, except the record of its last run. */
const partsOf = (id: string): readonly string[] =>
  readdirSync(join(workOf(id), '..'))
    .filter((name) => name !== 'run')
    .toSorted();
const snapshotOf = ({ id }: Snapshot): string => join(dataDir, 'snapshots', id);

/** Modes, sizes, targets and bytes of all files. */
const treeOf = (path: string): string =>
  execFileSync(
    'sh',
    ['-c', 'find . -printf "%P %M %l\\n" | sort; find . -type f | sort | xargs cat | cksum'],
    {
      cwd: path,
      encoding: 'utf8',
    },
  );

/** A process that holds the data directory, and does what it is told. */
async function startChild(): Promise<ChildProcess> {
  const child = fork('test/manager/snapshotChild.ts', [dataDir], {
    execArgv: ['--require', './scripts/typescript.cjs'],
  });
  await once(child, 'message');
  return child;
}

describe('snapshots of processes', () => {
  it('outlive their instance and their manager, and come back to life', async () => {
    const id = await made(5);
    const before = treeOf(workOf(id));
    const snapshot = await value(
      (manager as InstanceManager).createSnapshot('web', { kind: 'Stopped', name: 'one' }),
    );
    await value((manager as InstanceManager).delete('web'));

    const second = await reopen();
    expect(await value(second.listSnapshots())).toStrictEqual([snapshot]);
    const fork = await value(second.forkSnapshot(snapshot.id, { name: 'fork', targetState: 'Running' }));
    expect(fork.state).toBe('Running');
    expect(treeOf(workOf(fork.id))).toBe(before);
    await value(second.deleteSnapshot(snapshot.id));
    expect(readdirSync(join(dataDir, 'snapshots'))).toEqual([]);
  });

  it('are for their owner only', async () => {
    await made(1);
    const snapshot = await value((manager as InstanceManager).createSnapshot('web', { kind: 'Stopped' }));
    const modeOf = (...path: readonly string[]): number =>
      statSync(join(snapshotOf(snapshot), ...path)).mode & 0o777;
    expect(modeOf()).toBe(0o700);
    expect(modeOf('work', 'deep')).toBe(0o700);
    expect(modeOf('work', 'run')).toBe(0o400);
    expect(modeOf('manifest.json')).toBe(0o400);
  });

  it('take the place of what an instance on Standby ran in', async () => {
    const id = await made(3);
    const opened = manager as InstanceManager;
    const before = treeOf(workOf(id));
    const snapshot = await value(opened.createSnapshot('web', { kind: 'Stopped' }));
    await value(opened.start('web'));
    writeFileSync(join(workOf(id), 'new'), '');
    const { handle } = await value(opened.standby('web'));
    const restored = await value(opened.restoreSnapshot('web', snapshot.id, { targetState: 'Running' }));
    expect(restored.state).toBe('Running');
    expect(restored.handle?.pid).not.toBe(handle?.pid);
    expect(treeOf(workOf(id))).toBe(before);
    expect(partsOf(id)).toEqual([ownMark, 'logs', 'work']);
  });

  it('that were changed from outside are refused, and what differs is named', async () => {
    const id = await made(3);
    const opened = manager as InstanceManager;
    const snapshot = await value(opened.createSnapshot('web', { kind: 'Stopped' }));
    const file = join(snapshotOf(snapshot), 'work', 'deep', '1');
    chmodSync(file, 0o600);
    appendFileSync(file, '!');
    chmodSync(file, 0o400);
    rmSync(join(snapshotOf(snapshot), 'work', 'link'));
    const before = treeOf(join(dataDir, 'instances'));
    for (const verb$ of [
      opened.restoreSnapshot('web', snapshot.id),
      opened.forkSnapshot(snapshot.id, { name: 'fork' }),
    ]) {
      await expect(value(verb$)).rejects.toMatchObject({
        ...{ _tag: 'SnapshotDamaged', snapshotId: snapshot.id },
        differences: [
          { path: 'work/deep/1', found: 'mode 400, 10 bytes', expected: 'mode 400, 9 bytes' },
          { path: 'work/link', found: 'nothing', expected: 'a link' },
        ],
      });
    }
    expect(treeOf(join(dataDir, 'instances'))).toBe(before);
    expect((await value(opened.get(id))).state).toBe('Stopped');
  });

  it('whose files are gone are told of when the data directory is opened, and can be brought back', async () => {
    await made(1);
    const opened = manager as InstanceManager;
    const [gone, there] = [
      await value(opened.createSnapshot('web', { kind: 'Stopped' })),
      await value(opened.createSnapshot('web', { kind: 'Stopped' })),
    ];
    await opened.close();
    renameSync(snapshotOf(gone), join(folder, 'away'));
    const warnings: unknown[] = [];
    const warn = (...warning: readonly unknown[]): void => void warnings.push(warning);
    const again = await open({ ...noLogger, warn });
    expect(warnings).toEqual([[{ snapshotIds: [gone.id] }, 'the files of snapshots that are kept are gone']]);
    expect(await value(again.listSnapshots())).toEqual([gone, there]);

    renameSync(join(folder, 'away'), snapshotOf(gone));
    await value(again.restoreSnapshot('web', gone.id));
  });

  it('for which there is no room leave nothing', async () => {
    const id = await made(1);
    writeFileSync(join(workOf(id), 'large'), Buffer.alloc(256 * 1_024));
    await manager?.close();
    const child = await startChild();
    execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=131072:']);
    child.send(null as never);
    const [failure] = (await once(child, 'message')) as [string];
    await once(child, 'exit');
    expect(failure).toMatch(/^DriverFailed: cannot createSnapshot instance \w+: EFBIG/);
    expect(readdirSync(join(dataDir, 'snapshots'))).toEqual([]);
    expect(await value((await open()).listSnapshots())).toEqual([]);
  }, 60_000);

  it('that were being made, or put in place, when the manager was killed leave nothing half-made', async () => {
    const id = await made(60);
    const former = treeOf(workOf(id));
    const snapshot = await value((manager as InstanceManager).createSnapshot('web', { kind: 'Stopped' }));
    writeFileSync(join(workOf(id), 'new'), 'after it was taken');
    const newer = treeOf(workOf(id));

    for (const moment of [1, 3, 6, 9]) {
      await manager?.close();
      const child = await startChild();
      // At some moment: so many changes in the folders of homes and snapshots.
      let changes = 0;
      const enough = new Promise<void>((resolve) => {
        const watchers = [join(dataDir, 'snapshots'), join(workOf(id), '..')].map((path) =>
          watch(path, () => {
            changes += 1;
            if (changes < moment) return;
            for (const watcher of watchers) watcher.close();
            resolve();
          }),
        );
      });
      child.send(snapshot.id);
      await enough;
      child.kill('SIGKILL');
      await once(child, 'exit');

      const opened = await open();
      const snapshots = await value(opened.listSnapshots());
      expect(readdirSync(join(dataDir, 'snapshots')).toSorted()).toEqual(
        snapshots.map((each) => each.id).toSorted(),
      );
      expect(partsOf(id)).toEqual([ownMark, 'logs', 'work']);
      expect([former, newer]).toContain(treeOf(workOf(id)));
      for (const each of snapshots) {
        const { id: forkId } = await value(opened.forkSnapshot(each.id, { name: 'fork' }));
        expect([former, newer]).toContain(treeOf(workOf(forkId)));
        await value(opened.delete('fork'));
        if (each.id !== snapshot.id) await value(opened.deleteSnapshot(each.id));
      }
    }
  }, 120_000);
});
