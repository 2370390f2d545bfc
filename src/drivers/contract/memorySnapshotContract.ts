import assert from 'node:assert/strict';
import type { ContractBench } from './contractBench.js';
import type { Driver, LaunchPlan, SnapshotContent, SnapshotPlan, Snapshotting } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';
import {
  counting,
  goesOnFrom,
  holdsNoMemory,
  keeping,
  type Place,
  placeOf,
  resumedFrom,
  suspended,
} from './suspended.js';

/** Declares the sentences of the contract about snapshots that hold a memory. */
export function memorySnapshotContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  subject: DriverSubject<D>,
): void {
  const snapshotsOf = ({ driver }: ContractBench<D>): Snapshotting => {
    assert.ok(driver.snapshots !== undefined, 'each driver of a kind takes snapshots, or none does');
    return driver.snapshots;
  };

  const taken = async (bench: ContractBench<D>, plan: LaunchPlan, place: Place): Promise<Taken> => {
    const folder = `${plan.home}-snapshot`;
    bench.putAway(folder);
    await bench.done(snapshotsOf(bench).take({ ...plan, folder, kind: 'Standby' }));
    return {
      at: { folder, kind: 'Standby' },
      content: await bench.one(snapshotsOf(bench).seal(folder)),
      place,
    };
  };

  const isSound = async (bench: ContractBench<D>, { at, content }: Taken): Promise<void> => {
    assert.deepEqual(await bench.one(snapshotsOf(bench).check(at.folder, content)), []);
  };

  const laidOut = async (
    bench: ContractBench<D>,
    of: LaunchPlan,
    { at, content }: Taken,
  ): Promise<LaunchPlan> => {
    const plan = bench.plan(of);
    await bench.done(snapshotsOf(bench).layOut({ ...plan, ...at }, content));
    return plan;
  };

  describe('takes snapshots with memory:', () => {
    it('homes that are made of it go on where the machine was, and each without the others', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      const snapshot = await taken(bench, kept.plan, kept.place);
      await resumedFrom(bench, kept);
      for (let times = 0; times < 2; times += 1) {
        const plan = await laidOut(bench, kept.plan, snapshot);
        await resumedFrom(
          bench,
          await suspended(bench, await resumedFrom(bench, { plan, place: kept.place })),
        );
        await isSound(bench, snapshot);
      }
    });

    it('it can be taken of a machine that stands still, and that goes on', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      await bench.done(keeping(machine).freeze());
      const place = await placeOf(bench, plan);
      const snapshot = await taken(bench, plan, place);
      await goesOnFrom(bench, place, { plan, machine });
      await resumedFrom(bench, { plan: await laidOut(bench, plan, snapshot), place });
      await isSound(bench, snapshot);
    });

    it('what is made of it as Stopped leaves the memory out', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      const snapshot = await taken(bench, kept.plan, kept.place);
      const stopped = { ...snapshot, at: { ...snapshot.at, kind: 'Stopped' } as const };
      await holdsNoMemory(bench, subject, await laidOut(bench, kept.plan, stopped));
      const replace$ = snapshotsOf(bench).replace({ ...kept.plan, ...stopped.at }, snapshot.content);
      await bench.done((await bench.one(replace$)).keep());
      await holdsNoMemory(bench, subject, kept.plan);
    });

    it('it takes the place of what a home holds, and that goes on where the machine was', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      const snapshot = await taken(bench, kept.plan, kept.place);
      const later = await suspended(bench, await resumedFrom(bench, kept));
      const replace$ = snapshotsOf(bench).replace({ ...kept.plan, ...snapshot.at }, snapshot.content);
      await bench.done((await bench.one(replace$)).undo());
      const latest = await suspended(bench, await resumedFrom(bench, later));
      assert.ok(latest.place.last > kept.place.last);
      await bench.done((await bench.one(replace$)).keep());
      await resumedFrom(bench, kept);
      await isSound(bench, snapshot);
    });

    it('one cannot be taken of a home without a memory, and leaves no folder', async (bench) => {
      const plan = await bench.prepared(subject.lasting);
      const folder = `${plan.home}-snapshot`;
      bench.putAway(folder);
      await bench.fails(snapshotsOf(bench).take({ ...plan, folder, kind: 'Standby' }));
      await bench.fails(snapshotsOf(bench).seal(folder));
    });
  });
}

interface Taken {
  readonly at: Pick<SnapshotPlan, 'folder' | 'kind'>;
  readonly content: SnapshotContent;
  readonly place: Place;
}
