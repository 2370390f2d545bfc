import { firstValueFrom } from 'rxjs';
import { createDataDirs } from './dataDir.js';
import { done, wholeLog } from './changes.js';
import { startStoreProcess } from './storeProcess.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();

test('whatever was kept is there after a kill at any instant, and the log has no hole', async () => {
  const dataDir = dataDirs.make();
  for (const acked of [1, 30, 200, 1_000]) {
    const child = startStoreProcess(dataDir);
    expect(await child.opened).toBeUndefined();
    void child.commit({ count: 1_000_000, atATime: 64 });
    await child.acked(acked + Math.random() * acked);
    await child.kill();

    const store = await dataDirs.open(dataDir);
    const log = await wholeLog(store, 0, 1_000);
    expect(log.map(({ sequence }) => sequence)).toStrictEqual(log.map((_, index) => index + 1));
    for (const { sequence, instanceId, revision } of child.acks) {
      expect(log[sequence - 1]).toMatchObject({ instanceId, instance: { revision } });
    }
    const last = new Map(log.map(({ instanceId, instance }) => [instanceId, instance]));
    const { instances, sequence } = await firstValueFrom(store.load());
    expect(new Map(instances.map((instance) => [instance.id, instance]))).toStrictEqual(last);
    expect(sequence).toBe(log.length);
    expect(dataDirs.damaged()).toStrictEqual([]);
    await done(store.close());
  }
});

test('whatever was kept of a named record is there after a kill at any instant', async () => {
  const dataDir = dataDirs.make();
  for (const acked of [1, 30, 200]) {
    const child = startStoreProcess(dataDir);
    expect(await child.opened).toBeUndefined();
    void child.commit({ count: 9_000, atATime: 64, withRecords: true });
    await child.acked(acked + Math.random() * acked);
    await child.kill();

    const store = await dataDirs.open(dataDir);
    const claims = await firstValueFrom(store.loadRecords('claims'));
    for (const { sequence, instanceId } of child.acks) {
      expect(claims.get(String(sequence))).toBe(instanceId);
    }
    expect((await firstValueFrom(store.load())).damaged).toStrictEqual([]);
    await done(store.close());
  }
});
