import assert from 'node:assert/strict';
import { NEVER, ReplaySubject, take } from 'rxjs';
import type { Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about what machines write. */
export function logContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, printing }: DriverSubject<D>,
): void {
  describe('keeps logs:', () => {
    it('a log that it does not keep is not found', async (bench) => {
      const { home } = await bench.prepared(lasting);
      for (const following of [{}, { followUntil$: NEVER }]) {
        const reading = { source: 'no-such-log', tail: 1, ...following };
        const error = await bench.fails(bench.driver.logs(home, reading));
        assert.equal((error as { _tag?: unknown })._tag, 'LogNotFound');
      }
    });

    if (printing === undefined) return;

    it('a log begins with as many lines from the end as are asked for, then completes', async (bench) => {
      const { plan } = await bench.launched(printing);
      assert.deepEqual(await bench.logOf(3, plan), lines);
      assert.deepEqual(await bench.log(plan, 2), lines.slice(1));
      assert.deepEqual(await bench.log(plan, 3), lines);
      assert.deepEqual(await bench.log(plan, 0), []);
    });

    it('a log is kept when the machine has ended, and goes on with the next', async (bench) => {
      const { plan, machine } = await bench.launched(printing);
      await bench.logOf(3, plan);
      await bench.one(machine.kill());
      assert.deepEqual(await bench.log(plan), lines);
      await bench.launchAgain(printing, plan);
      assert.deepEqual(await bench.logOf(6, plan), [...lines, ...lines]);
    });

    it('who follows a log gets the last lines, then each new one once', async (bench) => {
      const { plan, machine } = await bench.launched(printing);
      await bench.logOf(3, plan);
      await bench.one(machine.kill());
      const followed = [1, 2, 100].map((tail) => {
        const known = lines.slice(-tail);
        const told$ = new ReplaySubject<string>(Infinity);
        bench
          .follow(plan, tail)
          .pipe(take(known.length + 3))
          .subscribe(told$);
        return { known, told$ };
      });
      for (const { known, told$ } of followed) {
        assert.deepEqual(await bench.all(told$.pipe(take(known.length))), known);
      }
      await bench.launchAgain(printing, plan);
      for (const { known, told$ } of followed) {
        assert.deepEqual(await bench.all(told$), [...known, ...lines]);
      }
    });
  });
}

const lines = ['one', 'two', 'three'];
