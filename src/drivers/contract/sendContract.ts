import assert from 'node:assert/strict';
import type { Observable } from 'rxjs';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about signals that are sent to machines. */
export function sendContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, ending }: DriverSubject<D>,
  { signals = [] }: Capabilities,
): void {
  if (signals.length === 0) {
    it('which names no signals has machines that take none', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.equal(machine.signal, undefined);
    });
    return;
  }

  describe('sends signals:', () => {
    it('SIGKILL is among them', () => {
      assert.ok(signals.includes('SIGKILL'));
      return Promise.resolve();
    });

    it('they do nothing before subscribe, and complete without a value once they are sent', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const killed$ = sent(machine, 'SIGKILL');
      await bench.runs(plan);
      await bench.done(killed$);
      assert.deepEqual(await bench.exitOf(machine), { code: null, signal: 'SIGKILL' });
      await bench.runsNoMore(plan);
    });

    it('one that is adopted takes them too', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      await bench.done(sent(adopted, 'SIGKILL'));
      await bench.exitOf(adopted);
      await bench.runsNoMore(plan);
    });

    it('one that has ended takes none', async (bench) => {
      const { machine } = await bench.launched(ending);
      await bench.exitOf(machine);
      await bench.fails(sent(machine, 'SIGKILL'));
    });
  });
}

const sent = (machine: Machine, name: string): Observable<never> => {
  assert.ok(machine.signal !== undefined, 'a driver that names signals has machines that take them');
  return machine.signal(name);
};
