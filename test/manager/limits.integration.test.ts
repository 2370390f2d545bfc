import { chmodSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, lastValueFrom, map, toArray } from 'rxjs';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { removeTree } from '../../src/drivers/host/removeTree.js';

const folder = mkdtempSync(join(tmpdir(), 'limits-'));
// Who runs as another user has to come through; to see what is there he need not.
for (const each of [tmpdir(), folder]) chmodSync(each, statSync(each).mode | 0o011);

let manager: InstanceManager;

const open = async (dataDir = join(folder, 'data')): Promise<InstanceManager> =>
  (manager = await openManager({ dataDir, drivers: [createProcessDriver()] }));

afterEach(() => manager.close());
afterAll(() => removeTree(folder));

/** The first of these programs of PostgreSQL that is here: Debian has them in nobody's PATH. */
const postgres = (program: string): string => {
  const versions = '/usr/lib/postgresql';
  return join(versions, readdirSync(versions).sort().at(-1) ?? '', 'bin', program);
};

it('an end by the kernel’s memory killer is told as the cause of the exit, and on the instance', async () => {
  await open();
  const events = firstValueFrom(manager.events('exits').pipe(filter(({ action }) => action === 'exit')));
  const request = { image: 'scratch', entrypoint: ['tail', '/dev/zero'], memoryMiB: 16 };
  const { exit } = await firstValueFrom(manager.run(request));
  expect(exit).toEqual({ code: null, signal: 'SIGKILL', oomKilled: true });
  const { cause, instance } = await events;
  expect(cause).toEqual({ by: 'machine', reason: 'oom' });
  expect(instance?.exit).toEqual(exit);
});

it('a limit that is changed holds from the next start on', async () => {
  await open();
  const entrypoint = ['sh', '-c', 'ulimit -n; exec sleep 600'];
  const readiness = { kind: 'log', pattern: '.' } as const;
  await firstValueFrom(
    manager.create({ name: 'web', image: 'scratch', entrypoint, readiness, openFiles: 64 }),
  );
  await firstValueFrom(manager.waitForState('web', 'Running'));
  await firstValueFrom(manager.update('web', { openFiles: 99 }));
  await firstValueFrom(manager.stop('web'));
  await firstValueFrom(manager.start('web'));
  await firstValueFrom(manager.waitForState('web', 'Running'));
  const lines = await firstValueFrom(
    manager.logs('web').pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );
  expect(lines).toEqual(['64', '99']);
  await firstValueFrom(manager.delete('web'));
});

it('who runs as another user comes to his files by their path, also once the data directory was opened again', async () => {
  const dataDir = join(folder, 'reopened');
  await open(dataDir);
  const request = { name: 'web', image: 'scratch', entrypoint: ['sleep', '600'], user: '65534:65533' };
  await firstValueFrom(manager.create(request));
  await manager.close();
  await open(dataDir);
  const command = { command: 'sh', args: ['-c', 'cd "$(pwd)" && echo > mine && id -u'] };
  const outputs = await lastValueFrom(manager.exec('web', command).pipe(toArray()));
  expect(outputs.at(-1)).toEqual({ kind: 'exit', code: 0, signal: null });
  const modes = readdirSync(dataDir).map((name) => statSync(join(dataDir, name)));
  expect(modes.filter((found) => (found.mode & 0o066) !== 0)).toEqual([]);
  await firstValueFrom(manager.delete('web'));
});

it('PostgreSQL, which refuses to run as root, runs as its own user', async () => {
  await open();
  const start = `${postgres('initdb')} -D data >/dev/null && exec ${postgres('postgres')} -D data -k "$PWD" -c listen_addresses=`;
  await firstValueFrom(
    manager.create({
      ...{ name: 'database', image: 'scratch', entrypoint: ['sh', '-c', `PWD=$(pwd); ${start}`] },
      ...{ user: 'postgres', memoryMiB: 512, pids: 100, stopSignal: 'SIGINT' },
      readiness: { kind: 'log', pattern: 'ready to accept connections' },
    }),
  );
  await firstValueFrom(manager.waitForState('database', 'Running'));
  const args = ['-c', `${postgres('psql')} -h "$(pwd)" -Atc "select current_user, 6 * 7"`];
  const outputs = await lastValueFrom(manager.exec('database', { command: 'sh', args }).pipe(toArray()));
  const text = outputs
    .map((output) => ('data' in output ? Buffer.from(output.data).toString() : ''))
    .join('');
  expect(text).toBe('postgres|42\n');
  const { exit } = await firstValueFrom(manager.stop('database'));
  expect(exit).toEqual({ code: 0, signal: null, stoppedBy: 'caller' });
  await firstValueFrom(manager.delete('database'));
}, 60_000);

it('what the host can’t hold is refused before anything is made', async () => {
  await open();
  const create = (fields: object): Promise<unknown> =>
    firstValueFrom(manager.create({ name: 'refused', image: 'scratch', entrypoint: ['true'], ...fields }));
  await expect(create({ user: 'nobody-of-this-name' })).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: [
      {
        path: 'user',
        found: "'nobody-of-this-name'",
        expected: 'a user of this host: /etc/passwd names no user "nobody-of-this-name"',
      },
    ],
  });
  await expect(create({ openFiles: 1_000_000_000 })).rejects.toMatchObject({
    faults: [{ path: 'openFiles' }],
  });
  await expect(create({ cpus: 0 })).rejects.toMatchObject({ faults: [{ path: 'cpus' }] });
  expect(await lastValueFrom(manager.list())).toEqual([]);
});
