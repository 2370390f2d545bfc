import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, lastValueFrom, mergeMap, range } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { anInstance } from '../support/lifecycleEvents.js';

/** Whether a log still has its second event after so many, with what it is told to keep. */
async function hasSecond(events: number, storage?: { readonly logMaxEvents?: number }): Promise<boolean> {
  const manager = await openManager({
    drivers: [createMemoryDriver()],
    ...(storage && { config: { instances: { lifecycleEventBufferSize: 256 }, storage } }),
  });
  const first = firstValueFrom(manager.events('app'));
  await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
  const updates = range(2, events - 1);
  await lastValueFrom(updates.pipe(mergeMap((n) => manager.update('web', { tags: { n: String(n) } }))));
  try {
    const { sequence } = await firstValueFrom(manager.events('app', { after: await first }));
    return sequence === 2;
  } catch (error) {
    expect(error).toMatchObject({ _tag: 'CursorExpired' });
    return false;
  } finally {
    await manager.close();
  }
}

describe('a log in memory', () => {
  it('keeps 10,000 events', async () => {
    await expect(hasSecond(10_001)).resolves.toBe(true);
    await expect(hasSecond(10_002, {})).resolves.toBe(false);
  }, 120_000);

  it('keeps more where it is told to', async () => {
    await expect(hasSecond(10_002, { logMaxEvents: 20_000 })).resolves.toBe(true);
  }, 120_000);
});

it.each(['../../elsewhere', 'short', ''])('a store that holds the id %j is not opened', async (id) => {
  const store = createMemoryStore();
  const instance = anInstance({ id, name: 'web' });
  await firstValueFrom(store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: id, instance }));
  await expect(openManager({ drivers: [createMemoryDriver()], store })).rejects.toMatchObject({
    _tag: 'StoreFailed',
    reason: expect.stringContaining('expected an id') as string,
  });
});

it('begins nothing anew without a data directory', async () => {
  await expect(openManager({ drivers: [createMemoryDriver()], beginAnew: true })).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    message: 'beginAnew: found true, expected none without dataDir',
  });
});
