import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about where instances live. */
export function homeContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, printing, content }: DriverSubject<D>,
): void {
  describe('keeps homes:', () => {
    it('discard removes a home, and one that is not there is removed already', async (bench) => {
      const plan = await bench.prepared(lasting);
      for (let times = 0; times < 2; times += 1) {
        await bench.done(bench.driver.discard(plan.home));
        assert.equal(existsSync(plan.home), false);
      }
      await bench.fails(bench.driver.launch(plan));
    });

    it('a home can be copied, and each goes on without the other', async (bench) => {
      const source = await bench.prepared(lasting);
      content?.write(source.home, 'from the source');
      const copy = bench.plan(lasting);
      await bench.done(bench.driver.prepare({ ...copy, copyOf: source.home }));
      if (content !== undefined) {
        assert.equal(content.read(copy.home), 'from the source');
        content.write(copy.home, 'of its own');
        assert.equal(content.read(source.home), 'from the source');
      }
      await bench.done(bench.driver.discard(source.home));
      await bench.launchAgain(lasting, copy);
      await bench.runs(copy);
    });

    it('a home that was discarded and is prepared anew is fresh', async (bench) => {
      const plan = await bench.prepared(lasting);
      content?.write(plan.home, 'of the former');
      await bench.done(bench.driver.discard(plan.home));
      await bench.done(bench.driver.prepare(plan));
      assert.equal(content?.read(plan.home), undefined);
      if (printing !== undefined) assert.deepEqual(await bench.log(plan), []);
    });
  });
}
