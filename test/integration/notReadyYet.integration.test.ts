import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CreateRequest, createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { filter, firstValueFrom as value, lastValueFrom } from 'rxjs';
import { makeTinyImage } from '../drivers/qemu/tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(60_000);

let folder: string;
let manager: InstanceManager;

const open = (): Promise<InstanceManager> =>
  openManager({
    dataDir: join(folder, 'data'),
    drivers: [createQemuDriver({ accel: 'tcg', pollMs: 5 }), createProcessDriver({ pollMs: 5 })],
  });

const reopened = async (): Promise<void> => {
  await manager.close();
  manager = await open();
};

const running = (name: string) => lastValueFrom(manager.waitForState(name, 'Running', { timeoutMs: 30_000 }));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'r-'));
  manager = await open();
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});

/** Says `ready` a while after it was started. */
const slow = (): CreateRequest => ({
  ...{ name: 'source', driver: 'qemu', image: makeTinyImage(join(folder, 'slow'), 'slow') },
  readiness: { kind: 'log', pattern: '^ready$' },
});

const request: Readonly<Record<string, () => CreateRequest>> = {
  qemu: slow,
  process: () => ({
    ...{ name: 'source', driver: 'process', image: 'scratch' },
    entrypoint: ['sh', '-c', 'sleep 1; echo ready; exec sleep 600'],
    readiness: { kind: 'log', pattern: '^ready$' },
  }),
};

describe.each(['qemu', 'process'])('an instance of %s that came to Standby before it was ready', (driver) => {
  it.each([
    ['by a fork', () => value(manager.fork('source', { name: 'copy', targetState: 'Standby' }))],
    [
      'by a snapshot',
      async () => {
        const { id } = await value(manager.createSnapshot('source', { kind: 'Stopped' }));
        await value(manager.forkSnapshot(id, { name: 'copy', targetState: 'Standby' }));
      },
    ],
  ])('%s is Initializing until it is ready, also when the manager was opened anew', async (_, copied) => {
    await value(manager.create((request[driver] as () => CreateRequest)()));
    await value(manager.stop('source'));
    await copied();
    await reopened();
    expect(await value(manager.restore('copy'))).toMatchObject({ state: 'Initializing' });
    await running('copy');
    // From then on it was.
    await value(manager.standby('copy'));
    await reopened();
    expect(await value(manager.restore('copy'))).toMatchObject({ state: 'Running' });
  });
});

/** Puts `source` on standby before it has loaded its kernel: on a busy machine that can be quicker, and then it is tried anew. */
async function standbyBeforeBoot(request: CreateRequest): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    const { id } = await value(manager.create(request));
    await value(manager.standby('source'));
    const kept = readFileSync(join(folder, 'data/instances', id, 'vm/memory.json'), 'utf8');
    if ('boot' in (JSON.parse(kept) as object)) return;
    await value(manager.delete('source'));
  }
  throw new Error('the kernel was always loaded by then');
}

it('a machine that was put on standby before its kernel was loaded boots, and so does a copy of it', async () => {
  const { readiness: _, ...silent } = slow();
  await standbyBeforeBoot(silent);
  await value(manager.fork('source', { name: 'copy' }));
  await reopened();
  for (const name of ['source', 'copy']) {
    await value(manager.restore(name));
    const lines$ = manager.logs(name, { follow: true });
    await expect(value(lines$.pipe(filter(({ text }) => text === 'ready')))).resolves.toBeDefined();
  }
});

it('a kernel that was changed before it was loaded is told, and nothing is given up', async () => {
  const { readiness: _, ...silent } = slow();
  await standbyBeforeBoot(silent);
  makeTinyImage(silent.image, 'printing');
  await expect(value(manager.restore('source'))).rejects.toMatchObject({
    _tag: 'SnapshotIncompatible',
    differences: [{ path: 'boot.kernel' }],
  });
  makeTinyImage(silent.image, 'slow');
  await expect(value(manager.restore('source'))).resolves.toMatchObject({ state: 'Running' });
});
