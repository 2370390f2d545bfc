import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { ContractBench } from './contractBench.js';
import type { Driver, LaunchPlan, SnapshotContent, SnapshotPlan, Snapshotting } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about snapshots. */
export function snapshotContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, content, damage }: DriverSubject<D>,
): void {
  const snapshotsOf = ({ driver }: ContractBench<D>): Snapshotting => {
    assert.ok(driver.snapshots !== undefined, 'each driver of a kind takes snapshots, or none does');
    return driver.snapshots;
  };

  /** A home, and a snapshot of it; both go with the rest. */
  const snapshotOf = async (
    bench: ContractBench<D>,
  ): Promise<{ readonly source: LaunchPlan; readonly taken: Taken; readonly snapshots: Snapshotting }> => {
    const snapshots = snapshotsOf(bench);
    const source = await bench.prepared(lasting);
    content?.write(source.home, 'when it was taken');
    const plan = folderOf(source);
    bench.putAway(plan.folder);
    const { folder, kind } = plan;
    await bench.done(snapshots.take(plan));
    return {
      source,
      taken: { place: { folder, kind }, content: await bench.one(snapshots.seal(folder)) },
      snapshots,
    };
  };

  const isSound = async (bench: ContractBench<D>, { place, content: told }: Taken): Promise<void> => {
    assert.deepEqual(await bench.one(snapshotsOf(bench).check(place.folder, told)), []);
  };

  describe('takes snapshots:', () => {
    it('nothing is done before it is subscribed to', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      const [other, copy] = [folderOf(bench.plan(lasting)), bench.plan(lasting)];
      void snapshots.take({ ...other, home: source.home });
      void snapshots.seal(taken.place.folder);
      void snapshots.layOut({ ...copy, ...taken.place }, taken.content);
      void snapshots.replace({ ...source, ...taken.place }, taken.content);
      void snapshots.discard(taken.place.folder);
      await bench.fails(bench.driver.launch(copy));
      await isSound(bench, taken);
      assert.notDeepEqual(await bench.one(snapshots.check(other.folder, taken.content)), []);
    });

    it('what was taken is told in JSON, and is sound', async (bench) => {
      const { taken } = await snapshotOf(bench);
      assert.deepEqual(JSON.parse(JSON.stringify(taken.content)), taken.content);
      assert.ok(taken.content.size >= 0, 'it has a size');
      await isSound(bench, taken);
    });

    it('a home is made of it, and each goes on without the others', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      content?.write(source.home, 'after it was taken');
      const [one, other] = [bench.plan(lasting), bench.plan(lasting)];
      await bench.done(snapshots.layOut({ ...one, ...taken.place }, taken.content));
      if (content !== undefined) {
        assert.equal(content.read(one.home), 'when it was taken');
        content.write(one.home, 'of its own');
      }
      await bench.done(bench.driver.discard(source.home));
      await bench.launchAgain(lasting, one);
      await bench.runs(one);
      await bench.done(snapshots.layOut({ ...other, ...taken.place }, taken.content));
      if (content !== undefined) assert.equal(content.read(other.home), 'when it was taken');
      await isSound(bench, taken);
    });

    it('a take that fails leaves no folder', async (bench) => {
      const { taken, snapshots } = await snapshotOf(bench);
      const plan = folderOf(bench.plan(lasting));
      await bench.fails(snapshots.take(plan));
      assert.equal(existsSync(plan.folder), false);
      assert.notDeepEqual(await bench.one(snapshots.check(plan.folder, taken.content)), []);
    });

    it('one that was discarded is found damaged, and one that is not there is discarded already', async (bench) => {
      const { taken, snapshots } = await snapshotOf(bench);
      for (let times = 0; times < 2; times += 1) {
        await bench.done(snapshots.discard(taken.place.folder));
        assert.equal(existsSync(taken.place.folder), false);
        assert.notDeepEqual(await bench.one(snapshots.check(taken.place.folder, taken.content)), []);
      }
    });

    it('a home that cannot be made of it leaves no file', async (bench) => {
      const { taken, snapshots } = await snapshotOf(bench);
      await bench.done(snapshots.discard(taken.place.folder));
      const copy = bench.plan(lasting);
      await bench.fails(snapshots.layOut({ ...copy, ...taken.place }, taken.content));
      assert.equal(existsSync(copy.home), false);
      await bench.fails(bench.driver.launch(copy));
    });

    if (damage !== undefined) {
      it('one that was changed from outside is found damaged, and the damage is named', async (bench) => {
        const { taken, snapshots } = await snapshotOf(bench);
        await damage(bench.driver, taken.place.folder);
        const faults = await bench.one(snapshots.check(taken.place.folder, taken.content));
        assert.notDeepEqual(faults, []);
        for (const { path, found, expected } of faults) {
          assert.ok([path, found, expected].every((part) => typeof part === 'string'));
          assert.notEqual(found, expected);
        }
      });
    }

    it('it takes the place of what a home holds, and is kept', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      content?.write(source.home, 'after it was taken');
      const replace$ = snapshots.replace({ ...source, ...taken.place }, taken.content);
      const replacement = await bench.one(replace$);
      await bench.done(replacement.keep());
      if (content !== undefined) assert.equal(content.read(source.home), 'when it was taken');
      await bench.launchAgain(lasting, source);
      await bench.runs(source);
      await isSound(bench, taken);
    });

    it('a replacement can be undone', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      content?.write(source.home, 'after it was taken');
      const replace$ = snapshots.replace({ ...source, ...taken.place }, taken.content);
      await bench.done((await bench.one(replace$)).undo());
      if (content !== undefined) assert.equal(content.read(source.home), 'after it was taken');
      await bench.launchAgain(lasting, source);
      await bench.runs(source);
    });

    it('a replacement that was neither kept nor undone is mended, and there can be another', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      const replace$ = snapshots.replace({ ...source, ...taken.place }, taken.content);
      await bench.one(replace$);
      for (let times = 0; times < 2; times += 1) await bench.done(snapshots.mend(source.home));
      if (content !== undefined) assert.equal(content.read(source.home), 'when it was taken');
      await bench.one(replace$);
      await bench.done((await bench.one(replace$)).keep());
      await bench.launchAgain(lasting, source);
      await bench.runs(source);
    });

    it('a replacement that fails changes nothing', async (bench) => {
      const { source, taken, snapshots } = await snapshotOf(bench);
      content?.write(source.home, 'after it was taken');
      await bench.done(snapshots.discard(taken.place.folder));
      await bench.fails(snapshots.replace({ ...source, ...taken.place }, taken.content));
      if (content !== undefined) assert.equal(content.read(source.home), 'after it was taken');
      await bench.launchAgain(lasting, source);
      await bench.runs(source);
    });
  });
}

interface Taken {
  readonly place: Pick<SnapshotPlan, 'folder' | 'kind'>;
  readonly content: SnapshotContent;
}

const folderOf = (plan: LaunchPlan): SnapshotPlan => ({
  ...plan,
  folder: `${plan.home}-snapshot`,
  kind: 'Stopped',
});
