import assert from 'node:assert/strict';
import type { CheckOutcome, CheckProgram } from '../../lifecycle/checkProgram.js';
import type { Observable } from 'rxjs';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Longer than any case takes. */
const longMs = 600_000;

/** Declares the sentences of the contract about programs that find out how a machine is. */
export function checkContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, checks }: DriverSubject<D>,
  { checks: hasChecks = false }: Capabilities,
): void {
  if (!hasChecks) {
    it('which runs no checks has machines without them', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.equal(machine.check, undefined);
    });
    return;
  }

  describe('runs checks:', () => {
    it('every machine can be checked, also once it was adopted', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      for (const { check } of [machine, adopted]) assert.equal(typeof check, 'function');
    });

    if (checks === undefined) return;
    const { failing, endless } = checks;

    it('one tells how it ended, and the machine runs on', async (bench) => {
      const { machine } = await bench.launched(lasting);
      const outcome = await bench.one(checked(machine, { command: failing, timeoutMs: longMs }));
      assert.deepEqual(outcome, { code: 3, signal: null });
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('one that takes longer than it may is killed, which is told', async (bench) => {
      const { machine } = await bench.launched(lasting);
      const outcome = await bench.one(checked(machine, { command: endless, timeoutMs: 50 }));
      assert.deepEqual(outcome, { code: null, signal: 'SIGKILL', timedOut: true });
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('one that can not be run fails', async (bench) => {
      const { machine } = await bench.launched(lasting);
      await bench.fails(checked(machine, { command: ['/no/such/program'], timeoutMs: longMs }));
    });

    it('one whose machine ends tells nothing, and completes', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const outcomes = bench.all(checked(machine, { command: endless, timeoutMs: longMs }));
      await bench.one(bench.end(machine, 'kill'));
      assert.deepEqual(await outcomes, []);
      await bench.runsNoMore(plan);
    });
  });
}

function checked(machine: Machine, program: CheckProgram): Observable<CheckOutcome> {
  assert.ok(machine.check !== undefined, 'a driver that says that it runs checks has machines that do');
  return machine.check(program);
}
