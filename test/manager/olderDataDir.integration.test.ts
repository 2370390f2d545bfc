import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createProcessDriver,
  type InstanceManager,
  type LogLine,
  openManager,
  SnapshotIncompatible,
} from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { firstValueFrom, lastValueFrom, map, type Observable, take, toArray } from 'rxjs';

// Virtual machines, beside whatever else the machine does.
jest.setTimeout(120_000);

const fixtures = join('test', 'fixtures');
const archives = readdirSync(fixtures).filter((name) => name.endsWith('.tar.gz'));

const texts = map(({ text }: LogLine) => text);

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

describe.each(archives)('a data directory as in %s', (archive) => {
  let folder: string;
  let manager: InstanceManager | undefined;

  const open = async (): Promise<InstanceManager> =>
    (manager = await openManager({
      dataDir: join(folder, 'data'),
      drivers: [createProcessDriver(), createQemuDriver({ accel: 'tcg' })],
    }));

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'older-')));
    execFileSync('tar', ['--no-same-owner', '-xzf', join(fixtures, archive), '-C', folder]);
  });

  afterEach(async () => {
    await manager?.close({ stopInstances: true });
    rmSync(folder, { recursive: true });
  });

  test('opens, and tells how everything ended that ran then', async () => {
    const instances = await value((await open()).list());
    expect(instances.map(({ name, state }) => [name, state])).toStrictEqual([
      ['web', 'Stopped'],
      ['halted', 'Stopped'],
      ['crashed', 'Stopped'],
      ['looks-around', 'Stopped'],
      ['talks', 'Stopped'],
      ['of-a-snapshot', 'Stopped'],
      ['of-web', 'Stopped'],
      ['vm-stopped', 'Stopped'],
      ['vm-standby', 'Standby'],
      ['vm-running', 'Stopped'],
    ]);
    const [web, , crashed] = instances;
    expect(web).toMatchObject({ revision: 6, spec: { tags: { team: 'green' } } });
    // It is a copy: whether the process was that of this home, nobody can tell.
    expect(web?.exit).toStrictEqual({ code: null, signal: null });
    expect(crashed?.exit).toStrictEqual({ code: 3, signal: null });
  });

  test('keeps its logs, snapshots and homes, and everything can be started, forked, restored and deleted', async () => {
    const { logs, start, stop, restoreSnapshot, forkSnapshot, listSnapshots, ...verbs } = await open();
    expect(await lastValueFrom(logs('crashed').pipe(texts, toArray()))).toStrictEqual(['last words']);
    const talked = await lastValueFrom(logs('talks', { tail: 1_000 }).pipe(texts, toArray()));
    expect(talked).toStrictEqual(Array.from({ length: 400 }, (_, index) => `line ${String(index)}`));

    const heard$ = logs('web', { follow: true, tail: 0 }).pipe(texts, take(2), toArray());
    const heard = lastValueFrom(heard$);
    await value(start('web'));
    expect(await heard).toStrictEqual(['hello', 'up']);
    await value(stop('web'));

    const [before, vm] = await value(listSnapshots());
    expect([before?.name, vm?.name]).toStrictEqual(['before', 'vm']);
    await value(restoreSnapshot('crashed', String(before?.id)));
    await value(forkSnapshot(String(before?.id), { name: 'anew' }));
    await value(verbs.fork('web', { name: 'web-2' }));
    for (const { id } of await value(verbs.list())) await value(verbs.delete(id));
    expect(readdirSync(join(folder, 'data', 'instances'))).toStrictEqual([]);
  });

  test('holds a virtual machine on standby that goes on where the same QEMU is there, and can be stopped anywhere', async () => {
    const { restore, stop } = await open();
    const restored = await value(restore('vm-standby')).catch((error: unknown) => error);
    if (restored instanceof SnapshotIncompatible) expect(restored.differences).not.toStrictEqual([]);
    else expect(restored).toMatchObject({ name: 'vm-standby', state: 'Running' });
    expect(await value(stop('vm-standby'))).toMatchObject({ state: 'Stopped' });
  });

  test('opens a second time as the first one left it', async () => {
    const first = await value((await open()).list());
    await manager?.close();
    expect(await value((await open()).list())).toStrictEqual(first);
  });
});
