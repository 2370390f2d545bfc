import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lastValueFrom, tap, timer } from 'rxjs';
import type { Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about preparing homes and launching machines. */
export function launchContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, broken }: DriverSubject<D>,
): void {
  describe('is cold:', () => {
    it('prepare, launch and discard do nothing before they are subscribed to', async (bench) => {
      const { driver, done, fails, one } = bench;
      const plan = bench.plan(lasting);
      const prepare$ = driver.prepare(plan);
      await fails(driver.launch(plan));
      await done(prepare$);
      const discard$ = driver.discard(plan.home);
      const launch$ = driver.launch(plan).pipe(tap(bench.hold));
      const first = await one(launch$);
      await one(first.kill());
      const second = await one(launch$);
      assert.equal((await bench.status(second)).kind, 'running');
      await one(second.kill());
      await bench.runsNoMore(plan);
      await done(discard$);
      await fails(launch$);
    });

    it('what a machine can be told does nothing before it is subscribed to', async (bench) => {
      const { machine } = await bench.launched(lasting);
      void machine.stop({ graceMs: 0 });
      void machine.kill();
      void machine.freezing?.freeze();
      await bench.isReady(machine);
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });
  });

  describe('prepares and launches:', () => {
    it('prepare completes without a value; launch emits one machine, which runs, and completes', async (bench) => {
      const { plan } = await bench.launched(lasting);
      await bench.runs(plan);
    });

    it('a prepare that fails leaves no home', async (bench) => {
      const plan = bench.plan(lasting);
      await bench.fails(bench.driver.prepare({ ...plan, copyOf: `${plan.home}-that-is-not-there` }));
      assert.equal(existsSync(plan.home), false);
      await bench.fails(bench.driver.launch(plan));
    });

    it('a launch without a home fails', async (bench) => {
      await bench.fails(bench.driver.launch(bench.plan(lasting)));
    });

    it('a launch that fails says why, and leaves no machine', async (bench) => {
      const plan = await bench.prepared(broken);
      await bench.fails(bench.driver.launch(plan));
      await bench.runsNoMore(plan);
    });

    it('a home can be launched again when its machine has ended', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      await bench.one(machine.kill());
      const again = await bench.launchAgain(lasting, plan);
      assert.notDeepEqual(again.machine.handle, machine.handle);
      assert.equal((await bench.status(again.machine)).kind, 'running');
      assert.equal((await bench.status(machine)).kind, 'ended');
    });

    it('a machine whose subscriber went before it came up is killed', async (bench) => {
      // At several moments of the launch.
      for (const turns of [0, 1, 2, 4, 8]) {
        const plan = await bench.prepared(lasting);
        const given: Machine[] = [];
        const launching = bench.driver
          .launch(plan)
          .pipe(tap(bench.hold))
          .subscribe((machine) => given.push(machine));
        for (let turn = 0; turn < turns; turn += 1) await lastValueFrom(timer(0));
        launching.unsubscribe();
        // Whatever a launch takes, the one after it takes too.
        await bench.launched(lasting);
        if (given.length === 0) await bench.runsNoMore(plan);
      }
    });
  });
}
