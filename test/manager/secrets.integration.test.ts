import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Registry } from 'prom-client';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { createProcessDriver, type InstanceManager, type Logger, openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { removeTree } from '../../src/drivers/host/removeTree.js';
import { until } from '../support/until.js';

const canary = 'sw0rdfish-4711';
const dataDir = mkdtempSync(join(tmpdir(), 'secrets-'));
const folder = join(dataDir, 'secrets');
const told: unknown[] = [];
const tell = (...said: readonly unknown[]): void => {
  told.push(said);
};
const logger: Logger = { debug: tell, info: tell, warn: tell };

let manager: InstanceManager;

const opened = async (): Promise<void> => {
  manager = await openManager({ dataDir, drivers: [createProcessDriver()], logger });
  manager.events('told').subscribe(tell);
};
const reopened = async (): Promise<void> => {
  await manager.close();
  await opened();
};
/** Closes the manager, changes something, and opens another. */
const meanwhile = async (change: () => void): Promise<void> => {
  await manager.close();
  change();
  await opened();
};

beforeAll(opened);
afterEach(async () => {
  for (const { id } of await firstValueFrom(manager.listSnapshots()))
    await firstValueFrom(manager.deleteSnapshot(id));
  for (const { id } of await firstValueFrom(manager.list())) await firstValueFrom(manager.delete(id));
  expect(await until(filesLeft, (left) => left.length === 0)).toEqual([]);
});
afterAll(async () => {
  await manager.close();
  await removeTree(dataDir);
});

const filesLeft = (): readonly string[] => (existsSync(folder) ? readdirSync(folder) : []);
const versions = (count: number): Promise<readonly string[]> =>
  until(filesLeft, ({ length }) => length === count);

const create = (
  name: string,
  secrets?: Readonly<Record<string, string>>,
): ReturnType<InstanceManager['create']> =>
  manager.create({
    ...{ name, image: 'scratch', entrypoint: ['sleep', '600'], env: { PLAIN: 'plain', BOTH: 'env' } },
    ...(secrets !== undefined && { secrets }),
  });

/** What a program that is run beside it has. */
const seenIn = async (name: string, variable: string): Promise<string> => {
  const output = await lastValueFrom(
    manager.exec(name, { command: 'sh', args: ['-c', `printf %s "$${variable}"`] }).pipe(toArray()),
  );
  return Buffer.concat(output.flatMap((each) => ('data' in each ? [each.data] : []))).toString();
};

/** What its own program has. */
const ownOf = async (name: string): Promise<string> => {
  const { handle } = await firstValueFrom(manager.get(name));
  return readFileSync(`/proc/${String(handle?.pid)}/environ`, 'utf8');
};

const filesOf = (path: string): readonly string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const at = join(path, entry.name);
    if (entry.isDirectory()) return filesOf(at);
    return entry.isFile() ? [at] : [];
  });

it('secrets are variables of the instance and of what is run in it, and come before those of env', async () => {
  const { spec } = await firstValueFrom(create('web', { TOKEN: canary, BOTH: 'secret' }));
  expect(spec.secrets?.names).toEqual(['BOTH', 'TOKEN']);
  const own = await ownOf('web');
  for (const variable of [`TOKEN=${canary}`, 'BOTH=secret', 'PLAIN=plain']) expect(own).toContain(variable);
  expect(await seenIn('web', 'TOKEN')).toBe(canary);
  expect(await seenIn('web', 'BOTH')).toBe('secret');
});

it('their values are in a file of their own for the owner only, and nowhere else', async () => {
  const registry = new Registry();
  const metrics = createMetrics(manager, { registry });
  told.length = 0;
  const { id } = await firstValueFrom(create('web', { TOKEN: canary }));
  const results: unknown[] = [
    await firstValueFrom(manager.update('web', { secrets: { TOKEN: `${canary}2` }, tags: { a: 'b' } })),
    await firstValueFrom(manager.restart('web')),
    await seenIn('web', 'PLAIN'),
    await firstValueFrom(manager.standby('web')),
    await firstValueFrom(manager.fork('web', { name: 'fork' })),
    await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' })).catch(inspect),
    await firstValueFrom(manager.stop('web')),
    await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' })),
    await firstValueFrom(manager.list()),
    await firstValueFrom(manager.update('web', { secrets: { TOKEN: canary }, stopSignal: 1 } as never)).catch(
      inspect,
    ),
    await firstValueFrom(
      manager.create({ name: 'bad', image: 'scratch', secrets: { TOKEN: canary }, entrypoint: ['/none'] }),
    ).catch(inspect),
    await firstValueFrom(create('web', { TOKEN: canary })).catch(inspect),
    await firstValueFrom(manager.ensure({ name: 'web', image: 'scratch', secrets: { TOKEN: canary } })).catch(
      inspect,
    ),
    await firstValueFrom(
      manager.update('web', { secrets: { TOKEN: canary } }, { by: 'me', requestId: 'once' }),
    ),
    await registry.metrics(),
  ];
  metrics.unsubscribe();
  expect(inspect([results, told], { depth: 20, maxArrayLength: 1_000, maxStringLength: 1e6 })).not.toContain(
    canary,
  );

  await manager.close();
  const found = filesOf(dataDir).filter((file) => readFileSync(file).includes(canary));
  expect(found.length).toBeGreaterThan(0);
  for (const file of found) {
    expect(file.startsWith(folder)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  }
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  await opened();
  expect((await firstValueFrom(manager.get(id))).id).toBe(id);
});

it('they hold for every start, whoever manages it', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  await reopened();
  expect(await seenIn('web', 'TOKEN')).toBe(canary);
  await firstValueFrom(manager.stop('web'));
  await firstValueFrom(manager.start('web'));
  expect(await ownOf('web')).toContain(canary);
});

it('an update replaces them all from the next start on, and is told as another version of them', async () => {
  const { spec } = await firstValueFrom(create('web', { A: '1', B: '2' }));
  const updated = await firstValueFrom(manager.update('web', { secrets: { A: '3' } }));
  expect(updated.spec.secrets?.version).not.toBe(spec.secrets?.version);
  expect(updated.spec.secrets?.names).toEqual(['A']);
  expect(await versions(1)).toEqual([updated.spec.secrets?.version]);
  expect(await ownOf('web')).toContain('A=1');
  await firstValueFrom(manager.restart('web'));
  expect(await ownOf('web')).toContain('A=3');
  expect(await ownOf('web')).not.toContain('B=2');
});

it('an update to the same changes nothing, and one to none takes them away', async () => {
  const { revision } = await firstValueFrom(create('web', { A: '1' }));
  const same = await firstValueFrom(manager.update('web', { secrets: { A: '1' } }));
  expect(same.revision).toBe(revision);
  const without = await firstValueFrom(manager.update('web', { secrets: {} }));
  expect(without.spec).not.toHaveProperty('secrets');
  expect(await versions(0)).toEqual([]);
});

it('a fork has those of its source, also when that is gone', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  await firstValueFrom(manager.stop('web'));
  await firstValueFrom(manager.fork('web', { name: 'fork' }));
  await firstValueFrom(manager.delete('web'));
  await firstValueFrom(manager.start('fork'));
  expect(await ownOf('fork')).toContain(canary);
  expect(await versions(1)).toHaveLength(1);
});

it('a fork has those of its source, also when that is deleted meanwhile', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  await firstValueFrom(manager.stop('web'));
  const { id } = await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }));
  await Promise.all([
    firstValueFrom(manager.fork('web', { name: 'fork', targetState: 'Running' })),
    firstValueFrom(manager.delete('web')),
  ]);
  await Promise.all([
    firstValueFrom(manager.forkSnapshot(id, { name: 'second', targetState: 'Running' })),
    firstValueFrom(manager.deleteSnapshot(id)),
    firstValueFrom(manager.delete('fork')),
  ]);
  await firstValueFrom(manager.restart('second'));
  expect(await ownOf('second')).toContain(canary);
});

it('a snapshot has those of its instance, also when that is gone, and so has what is made of it', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  await firstValueFrom(manager.stop('web'));
  const { id } = await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }));
  await firstValueFrom(manager.update('web', { secrets: { TOKEN: 'other' } }));
  expect(await versions(2)).toHaveLength(2);
  await firstValueFrom(manager.restoreSnapshot('web', id));
  expect(await versions(1)).toHaveLength(1);
  await firstValueFrom(manager.delete('web'));
  await firstValueFrom(manager.forkSnapshot(id, { name: 'fork', targetState: 'Running' }));
  await firstValueFrom(manager.deleteSnapshot(id));
  expect(await ownOf('fork')).toContain(canary);
});

it('a verb that fails leaves none behind', async () => {
  const created = manager.create({
    ...{ name: 'bad', image: 'scratch', entrypoint: ['/no/such/program'], secrets: { TOKEN: canary } },
  });
  await expect(firstValueFrom(created)).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  expect(await versions(0)).toEqual([]);
});

it('those that somebody was killed over are removed by the next manager', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  const left = 'z'.repeat(24);
  await meanwhile(() => {
    writeFileSync(join(folder, left), '{"TO', { mode: 0o600 });
  });
  expect(readdirSync(folder)).not.toContain(left);
  expect(await seenIn('web', 'TOKEN')).toBe(canary);
});

it('one whose secrets are gone does not start without them, and starts once they are given again', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  await firstValueFrom(manager.stop('web'));
  await meanwhile(() => {
    rmSync(folder, { recursive: true });
  });
  await expect(firstValueFrom(manager.start('web'))).rejects.toThrow(/the secrets \w+ can't be read/);
  expect((await firstValueFrom(manager.get('web'))).state).toBe('Stopped');
  await firstValueFrom(manager.update('web', { secrets: { TOKEN: canary } }));
  await firstValueFrom(manager.start('web'));
  expect(await ownOf('web')).toContain(canary);
});

it('one that runs is adopted also when its secrets are gone, and that is told', async () => {
  await firstValueFrom(create('web', { TOKEN: canary }));
  const { handle } = await firstValueFrom(manager.get('web'));
  told.length = 0;
  await meanwhile(() => {
    rmSync(folder, { recursive: true });
  });
  expect(await firstValueFrom(manager.get('web'))).toMatchObject({
    state: 'Running',
    handle: { pid: handle?.pid },
  });
  expect(inspect(told, { depth: 4 })).toContain('secrets cannot be read');
});

it('ensure that cannot keep the new ones leaves what is to be replaced', async () => {
  const { id } = await firstValueFrom(create('web'));
  rmSync(folder, { recursive: true, force: true });
  writeFileSync(folder, 'in the way');
  const request = { name: 'web', image: 'scratch', entrypoint: ['sleep', '600'], secrets: { TOKEN: canary } };
  const replaced = firstValueFrom(manager.ensure(request, { replace: true }));
  await expect(replaced).rejects.toMatchObject({ _tag: 'StoreFailed' });
  rmSync(folder);
  expect(await firstValueFrom(manager.get('web'))).toMatchObject({ id, state: 'Running' });
});

it('ensure tells other values from the same ones', async () => {
  const request = { name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] };
  const { id } = await firstValueFrom(manager.ensure({ ...request, secrets: { TOKEN: canary } }));
  const again = await firstValueFrom(manager.ensure({ ...request, secrets: { TOKEN: canary } }));
  expect(again.id).toBe(id);
  for (const other of [{ ...request, secrets: { TOKEN: 'other' } }, request])
    await expect(firstValueFrom(manager.ensure(other))).rejects.toThrow('(secrets)');
  const replaced = await firstValueFrom(
    manager.ensure({ ...request, secrets: { TOKEN: 'new' } }, { replace: true }),
  );
  expect(replaced.id).not.toBe(id);
  expect(await ownOf('web')).toContain('TOKEN=new');
});

it('a manager without a data directory keeps them in memory', async () => {
  await using other = await openManager({ drivers: [createProcessDriver()] });
  const request = { name: 'web', image: 'scratch', entrypoint: ['sleep', '600'], secrets: { TOKEN: canary } };
  await firstValueFrom(other.create(request));
  const { handle } = await firstValueFrom(other.restart('web'));
  expect(readFileSync(`/proc/${String(handle?.pid)}/environ`, 'utf8')).toContain(canary);
});
