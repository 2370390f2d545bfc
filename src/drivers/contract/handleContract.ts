import assert from 'node:assert/strict';
import type { Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about how machines are found again. */
export function handleContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, ending }: DriverSubject<D>,
): void {
  describe('has handles:', () => {
    it('a handle is JSON', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.deepEqual(JSON.parse(JSON.stringify(machine.handle)), machine.handle);
    });

    it('adopt finds a machine that runs, with the same handle, and its end', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      assert.deepEqual(adopted.handle, machine.handle);
      await bench.isReady(adopted);
      assert.deepEqual(await bench.status(adopted), { kind: 'running', ready: true });

      const exit = await bench.one(adopted.kill());
      assert.deepEqual(await bench.exitOf(adopted), exit);
      assert.deepEqual(await bench.status(adopted), { kind: 'ended', exit });
      await bench.exitOf(machine);
      await bench.runsNoMore(plan);
    });

    it('adopt fails for a machine that has ended', async (bench) => {
      const launched = await bench.launched(ending);
      await bench.exitOf(launched.machine);
      await bench.fails(bench.adopt(launched));
      await bench.fails(bench.adopt(launched));
    });
  });
}
