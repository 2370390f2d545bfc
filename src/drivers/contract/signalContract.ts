import assert from 'node:assert/strict';
import { ReplaySubject } from 'rxjs';
import type { Driver, MachineSignal } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about what machines tell. */
export function signalContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  subject: DriverSubject<D>,
): void {
  const { lasting, ending, slow, neverReady } = subject;

  describe('tells signals:', () => {
    it('without readiness in the spec a machine is ready at once', async (bench) => {
      const { machine } = await bench.launched(lasting);
      await bench.isReady(machine);
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('with readiness it is ready when it says so', async (bench) => {
      const { machine } = await bench.launched(slow);
      await bench.isReady(machine);
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('one that never becomes ready runs unready and never says so, also when it ends', async (bench) => {
      const { machine } = await bench.launched(neverReady);
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: false });
      const exit = await bench.one(machine.kill());
      assert.deepEqual(await bench.all(machine.signals$), [{ kind: 'exit', exit }]);
    });

    it('one that ends by itself says how, last, and completes', async (bench) => {
      const { plan, machine } = await bench.launched(ending);
      const signals = await bench.all(machine.signals$);
      assert.deepEqual(signals.at(-1), { kind: 'exit', exit: ending.exit ?? { code: 3, signal: null } });
      assert.deepEqual(signals.slice(0, -1), [{ kind: 'ready' }]);
      await bench.runsNoMore(plan);
    });

    it('one that is ended from outside says so', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      await bench.isReady(machine);
      await subject.crash(bench.driver, plan.instanceId);
      const exit = await bench.exitOf(machine);
      assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
    });

    it('every subscriber gets all signals, also one that comes after the end', async (bench) => {
      const { machine } = await bench.launched(slow);
      const early$ = new ReplaySubject<MachineSignal>(Infinity);
      machine.signals$.subscribe(early$);
      await bench.isReady(machine);
      const exit = await bench.one(machine.kill());
      const all = [{ kind: 'ready' }, { kind: 'exit', exit }];
      assert.deepEqual(await bench.all(early$), all);
      assert.deepEqual(await bench.all(machine.signals$), all);
      assert.deepEqual(await bench.all(machine.signals$), all);
    });

    it('nothing is ended by unsubscribing from them', async (bench) => {
      const { machine } = await bench.launched(lasting);
      machine.signals$.subscribe().unsubscribe();
      assert.equal((await bench.status(machine)).kind, 'running');
    });
  });
}
