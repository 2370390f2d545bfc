import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createDataDirs } from './dataDir.js';
import { done, wholeLog } from './changes.js';
import { startStoreProcess, type StoreProcess } from './storeProcess.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();
const sizeOf = (dataDir: string): number => statSync(join(dataDir, 'store', 'data.mdb')).size;

let child: StoreProcess | undefined;

afterEach(() => child?.kill());

describe('where files cannot grow', () => {
  it('commits fail, whichever write it is that has no room; what was kept stays, and with room all goes on', async () => {
    const dataDir = dataDirs.make();
    child = startStoreProcess(dataDir);
    expect(await child.opened).toBeUndefined();
    expect(await child.commit({ count: 50, atATime: 3 })).toBeUndefined();

    const start = sizeOf(dataDir);
    for (let pages = 0; pages < 12; pages += 1) {
      child.limit(start + pages * 4_096);
      // Many, since room is made some time before it is needed.
      const failure = await child.commit({ count: 5_000, atATime: pages === 0 ? 50 : 1 });
      expect(failure).toMatchObject({
        _tag: 'StoreFailed',
        reason: 'cannot write: EFBIG: file too large, write',
      });
    }
    child.limit(1_000_000_000);
    expect(await child.commit({ count: 50, atATime: 3 })).toBeUndefined();
    const { acks } = child;
    await child.end();

    const store = await dataDirs.open(dataDir);
    const log = await wholeLog(store, 0, 100);
    expect(
      log.map(({ sequence, instanceId, instance }) => [sequence, instanceId, instance?.revision]),
    ).toStrictEqual(acks.map(({ sequence, instanceId, revision }) => [sequence, instanceId, revision]));
    expect(acks.map(({ sequence }) => sequence)).toStrictEqual(acks.map((_, index) => index + 1));
    await done(store.close());
  });

  it('a data directory cannot be made, and whoever tries is told why', async () => {
    const dataDir = dataDirs.make();
    child = startStoreProcess(dataDir);
    child.limit(8_192);
    expect(await child.opened).toMatchObject({
      _tag: 'StoreFailed',
      reason: `cannot open the data directory ${dataDir}: EFBIG: file too large, write`,
    });
    await child.end();
    const store = await dataDirs.open(dataDir);
    expect(await wholeLog(store)).toStrictEqual([]);
    await done(store.close());
  });
});
