import assert from 'node:assert/strict';
import { EMPTY, type Observable } from 'rxjs';
import type { ContractBench } from './contractBench.js';
import type { Driver, LaunchPlan } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about what a manager that was killed has left. */
export function reclaimContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, content }: DriverSubject<D>,
): void {
  const reclaim = ({ driver }: ContractBench<D>, { home }: LaunchPlan): Observable<never> =>
    driver.reclaim?.(home) ?? EMPTY;

  describe('reclaims homes:', () => {
    it('what runs and nobody holds is ended, and the home stays', async (bench) => {
      const plan = { ...(await bench.prepared(lasting)), outlives: true };
      content?.write(plan.home, 'stays');
      const { machine } = await bench.launchAgain(lasting, plan);
      machine.detach?.();
      for (let times = 0; times < 2; times += 1) {
        await bench.done(reclaim(bench, plan));
        await bench.runsNoMore(plan);
      }
      if (content !== undefined) assert.equal(content.read(plan.home), 'stays');
      await bench.launchAgain(lasting, plan);
      await bench.runs(plan);
    });

    it('nothing is done before it is subscribed to, nor in a home that is not there', async (bench) => {
      const { plan } = await bench.launched(lasting);
      void reclaim(bench, plan);
      await bench.runs(plan);
      await bench.done(reclaim(bench, bench.plan(lasting)));
    });
  });
}
