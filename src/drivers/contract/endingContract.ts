import assert from 'node:assert/strict';
import { merge } from 'rxjs';
import type { Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about how machines end. */
export function endingContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, ending, neverReady, stubborn }: DriverSubject<D>,
): void {
  describe('ends machines:', () => {
    for (const verb of ['stop', 'kill'] as const) {
      it(`${verb} emits how the machine ended, as its signal and a look tell it too`, async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        const exit = await bench.one(bench.end(machine, verb));
        assert.deepEqual(await bench.exitOf(machine), exit);
        assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
        await bench.runsNoMore(plan);
      });

      it(`${verb} of one that has ended answers how it ended, as often as it is asked`, async (bench) => {
        const { machine } = await bench.launched(ending);
        const exit = await bench.exitOf(machine);
        for (let times = 0; times < 2; times += 1) {
          assert.deepEqual(await bench.one(bench.end(machine, verb)), exit);
        }
      });

      it(`${verb} of one that is not ready yet ends it too`, async (bench) => {
        const { plan, machine } = await bench.launched(neverReady);
        await bench.one(bench.end(machine, verb));
        await bench.runsNoMore(plan);
      });
    }

    it('several stops and kills at once all answer alike', async (bench) => {
      const { machine } = await bench.launched(lasting);
      const ends = (['stop', 'stop', 'kill', 'kill'] as const).map((verb) => bench.end(machine, verb));
      const exits = await bench.all(merge(...ends));
      assert.deepEqual(exits, Array<unknown>(4).fill(exits[0]));
    });

    if (stubborn !== undefined) {
      it('stop kills one that does not end within its grace', async (bench) => {
        const { plan, machine } = await bench.launched(stubborn);
        await bench.isReady(machine);
        const exit = await bench.one(machine.stop({ graceMs: 20 }));
        assert.deepEqual(await bench.exitOf(machine), exit);
        await bench.runsNoMore(plan);
      });
    }
  });
}
