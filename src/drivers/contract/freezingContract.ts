import assert from 'node:assert/strict';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about halting machines and letting them go on. */
export function freezingContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting }: DriverSubject<D>,
  { standbyFrees }: Capabilities,
): void {
  if (standbyFrees === 'nothing') {
    it('which frees nothing on standby has machines without freezing', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.equal(machine.freezing, undefined);
    });
  }

  if (standbyFrees !== 'nothing') {
    describe('freezes machines:', () => {
      it('freeze halts and thaw resumes, both as often as they are asked', async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        await bench.isReady(machine);
        const freezing = freezingOf(machine);
        for (let times = 0; times < 2; times += 1) {
          await bench.done(freezing.freeze());
          assert.deepEqual(await bench.status(machine), { kind: 'frozen' });
        }
        await bench.runs(plan);
        for (let times = 0; times < 2; times += 1) {
          await bench.done(freezing.thaw());
          assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
        }
      });

      for (const verb of ['stop', 'kill'] as const) {
        it(`${verb} ends a frozen machine`, async (bench) => {
          const { plan, machine } = await bench.launched(lasting);
          await bench.done(freezingOf(machine).freeze());
          const exit = await bench.one(bench.end(machine, verb));
          assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
          await bench.runsNoMore(plan);
        });
      }

      it('an adopted machine that is frozen is found frozen, and can be thawed', async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        await bench.done(freezingOf(machine).freeze());
        const adopted = await bench.one(bench.adopt({ plan, machine }));
        assert.deepEqual(await bench.status(adopted), { kind: 'frozen' });
        await bench.done(freezingOf(adopted).thaw());
        assert.equal((await bench.status(adopted)).kind, 'running');
      });
    });
  }
}

const freezingOf = ({ freezing }: Machine) => {
  assert.ok(freezing !== undefined, 'a driver whose standby frees something has machines that can be frozen');
  return freezing;
};
