import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { firstValueFrom } from 'rxjs';
import { makeTinyImage } from '../drivers/qemu/tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(60_000);

let folder: string;
let manager: InstanceManager;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'z-'));
  const drivers = [createQemuDriver({ accel: 'tcg', pollMs: 5 })];
  manager = await openManager({ dataDir: join(folder, 'data'), drivers });
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});

it('a guest that sleeps and cannot be woken is stopped, and started from the beginning', async () => {
  const image = makeTinyImage(join(folder, 'image'), 'asleep');
  await firstValueFrom(manager.create({ name: 'vm', image, stopGraceMs: 50 }));
  await firstValueFrom(manager.waitForState('vm', 'Paused', { pollMs: 5 }));
  await expect(firstValueFrom(manager.restore('vm'))).rejects.toThrow('stop and start it');

  await expect(firstValueFrom(manager.stop('vm'))).resolves.toMatchObject({ state: 'Stopped' });
  await expect(firstValueFrom(manager.start('vm'))).resolves.toMatchObject({ state: 'Running' });
});
