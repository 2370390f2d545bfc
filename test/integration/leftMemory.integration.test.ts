import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CreateRequest, type Instance, type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { EMPTY, filter, firstValueFrom, lastValueFrom, map, skip, take } from 'rxjs';
import { makeTinyImage } from '../drivers/qemu/tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(60_000);

const value = firstValueFrom;

let dataDir: string;
let images: string;
let manager: InstanceManager;

const open = async (): Promise<void> => {
  manager = await openManager({ dataDir, drivers: [createQemuDriver({ accel: 'tcg', pollMs: 5 })] });
};

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'm-'));
  images = mkdtempSync(join(tmpdir(), 'images-'));
  await open();
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  for (const folder of [dataDir, images]) rmSync(folder, { recursive: true });
});

const folderOf = ({ id }: Pick<Instance, 'id'>): string => join(dataDir, 'instances', id, 'vm');

const ofNoMemory = new Set(['image.json', 'layers.json']);

/**
 * What is left of a memory in the home of an instance, and how many names that has. Beside a memory that is kept its hash comes at
 * some time: there it doesn't count. Where the image lies, and the hashes of disks, are of no memory.
 */
function memoryOf(instance: Pick<Instance, 'id'>): Readonly<Record<string, number>> {
  const names = readdirSync(folderOf(instance));
  const ignored = names.includes('memory.json') ? ['ram.json'] : [];
  return Object.fromEntries(
    names
      .filter((name) => !name.startsWith('disk') && !ofNoMemory.has(name) && !ignored.includes(name))
      .toSorted()
      .map((name) => [name, statSync(join(folderOf(instance), name)).nlink]),
  );
}

/** Resolves with the next whole number that a machine counts to. */
const counts = (name: string): Promise<number> =>
  value(
    manager.logs(name, { tail: 0, follow: true }).pipe(
      map(({ text }) => Number(/^count (\d+)\.$/.exec(text)?.[1])),
      filter((count) => !Number.isNaN(count)),
      skip(1),
      take(1),
    ),
  );

async function counting(name: string): Promise<Instance> {
  const image = makeTinyImage(join(images, 'counting'), 'counting');
  const request: CreateRequest = { name, driver: 'qemu', image };
  const instance = await value(manager.create(request));
  await counts(name);
  return instance;
}

const crashed = async (instance: Instance): Promise<void> => {
  const { handle } = await value(manager.get(instance.id));
  process.kill(Number(handle?.pid), 'SIGKILL');
  await value(manager.waitForState(instance.id, 'Stopped'));
  // Not before all is done that comes with it.
  await value(manager.refresh(instance.id));
};

describe('of a memory nothing is left', () => {
  it('when the machine has ended by itself', async () => {
    const instance = await counting('web');
    expect(memoryOf(instance)).toEqual({ ram: 1 });
    await crashed(instance);
    expect(memoryOf(instance)).toEqual({});
  });

  it('when one that shared it has ended by itself', async () => {
    const source = await counting('web');
    await value(manager.standby('web'));
    const copy = await value(manager.fork('web', { name: 'copy', targetState: 'Running' }));
    expect([memoryOf(source), memoryOf(copy)]).toEqual([{ 'memory.json': 1, ram: 2, state: 1 }, { ram: 2 }]);
    await crashed(copy);
    expect([memoryOf(source), memoryOf(copy)]).toEqual([{ 'memory.json': 1, ram: 1, state: 1 }, {}]);
  });

  it('when the machine has ended while no manager was there', async () => {
    const instance = await counting('web');
    await manager.close();
    process.kill(Number(instance.handle?.pid), 'SIGKILL');
    await open();
    expect((await value(manager.refresh('web'))).state).toBe('Stopped');
    expect(memoryOf(instance)).toEqual({});
  });

  it('but what it goes on from, when one that shared it is put on standby', async () => {
    const source = await counting('web');
    await value(manager.standby('web'));
    const copy = await value(manager.fork('web', { name: 'copy', targetState: 'Running' }));
    await counts('copy');
    await value(manager.standby('copy'));
    expect([memoryOf(source), memoryOf(copy)]).toEqual([
      { 'memory.json': 1, ram: 1, state: 1 },
      { 'memory.json': 1, state: 1 },
    ]);
    for (const name of ['copy', 'web']) {
      await value(manager.restore(name));
      await counts(name);
    }
    // Each has a file of its own from now on.
    for (const name of ['copy', 'web']) await value(manager.standby(name));
    for (const one of [source, copy]) expect(memoryOf(one)).toEqual({ 'memory.json': 1, ram: 1, state: 1 });
  });

  it('but all of it, when one that shared it was ended before it went on', async () => {
    await counting('web');
    await value(manager.standby('web'));
    const { id: instanceId, name, spec } = await value(manager.fork('web', { name: 'copy' }));
    const copy = { id: instanceId };
    const kept = memoryOf(copy);
    expect(kept).toEqual({ 'memory.json': 2, ram: 2, state: 2 });
    const driver = createQemuDriver();
    const home = join(folderOf(copy), '..');
    const machine = await value(driver.resume?.({ instanceId, name, spec, home }) ?? EMPTY);
    await value(machine.kill());
    expect(memoryOf(copy)).toEqual(kept);
    await lastValueFrom(driver.close?.() ?? EMPTY, { defaultValue: undefined });
    await value(manager.restore('copy'));
    await counts('copy');
  });
});
