import assert from 'node:assert/strict';
import { from, mergeMap, type Observable } from 'rxjs';
import { hasTag } from '../../lifecycle/errors.js';
import type { ExecOutput, Execution, ExecProgram } from '../../lifecycle/execution.js';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about programs that run beside the machine's own. */
export function execContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, execs }: DriverSubject<D>,
  { execs: hasExecs = false }: Capabilities,
): void {
  if (!hasExecs) {
    it('which runs no other programs has machines without them', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.equal(machine.exec, undefined);
    });
    return;
  }

  describe('runs other programs:', () => {
    it('every machine runs some, also once it was adopted', async (bench) => {
      const { plan, machine } = await bench.launched(lasting);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      for (const { exec } of [machine, adopted]) assert.equal(typeof exec, 'function');
    });

    if (execs === undefined) return;
    const { failing, endless, copying, naming, within = lasting } = execs;

    it('one tells what it writes, each stream apart, and last how it ended; the machine runs on', async (bench) => {
      const { machine } = await bench.launched(within);
      const outputs = await bench.one(execOf(machine, { command: failing }, everything));
      assert.deepEqual(outputs.at(-1), { kind: 'exit', code: 3, signal: null });
      assert.equal(textOf(outputs, 'stdout'), 'out\n');
      assert.equal(textOf(outputs, 'stderr'), 'err\n');
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('of one whose output is thrown away only the end is told', async (bench) => {
      const { machine } = await bench.launched(within);
      const outputs = await bench.one(execOf(machine, { command: failing, hasOutput: false }, everything));
      assert.deepEqual(outputs, [{ kind: 'exit', code: 3, signal: null }]);
    });

    it('one reads what it is handed, to its end, and loses none of it', async (bench) => {
      const { machine } = await bench.launched(within);
      const pieces = Array.from({ length: 16 }, (_, index) => `${'x'.repeat(65_535)}${String(index % 10)}`);
      const copy = async (execution: Execution): Promise<readonly ExecOutput[]> => {
        const handing = hand(execution, pieces);
        const outputs = await everything(execution);
        await handing;
        return outputs;
      };
      const outputs = await bench.one(execOf(machine, { command: copying, hasInput: true }, copy));
      assert.equal(textOf(outputs, 'stdout'), pieces.join(''));
      assert.deepEqual(outputs.at(-1), { kind: 'exit', code: 0, signal: null });
    });

    it('one without an input finds that at its end', async (bench) => {
      const { machine } = await bench.launched(within);
      const outputs = await bench.one(execOf(machine, { command: copying }, everything));
      assert.deepEqual(outputs, [{ kind: 'exit', code: 0, signal: null }]);
    });

    it('one has the variables that it is given', async (bench) => {
      const { machine } = await bench.launched(within);
      const program = { command: naming, env: { EXEC_NAME: 'given' } };
      const outputs = await bench.one(execOf(machine, program, everything));
      assert.equal(textOf(outputs, 'stdout'), 'given\n');
    });

    it('one that is killed tells so', async (bench) => {
      const { machine } = await bench.launched(within);
      const killed = (execution: Execution): Promise<readonly ExecOutput[]> => {
        execution.kill();
        return everything(execution);
      };
      const outputs = await bench.one(execOf(machine, { command: endless }, killed));
      assert.deepEqual(outputs, [{ kind: 'exit', code: null, signal: 'SIGKILL' }]);
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('a program that is not there fails as such', async (bench) => {
      const { machine } = await bench.launched(within);
      const error = await bench.fails(execOf(machine, { command: ['/no/such/program'] }, everything));
      assert.ok(hasTag(error, 'ExecFailed') && error.code === 127, 'it is ExecFailed, with code 127');
    });

    it('one whose machine ends comes to its end, and nothing of it is left', async (bench) => {
      const { plan, machine } = await bench.launched(within);
      let runs: () => void;
      const running = new Promise<void>((resolve) => (runs = resolve));
      const followed = (execution: Execution): Promise<readonly ExecOutput[]> => {
        runs();
        return everything(execution);
      };
      const outputs = bench.one(execOf(machine, { command: endless }, followed));
      await Promise.race([running, outputs]);
      await bench.one(bench.end(machine, 'kill'));
      const last = (await outputs).at(-1);
      assert.ok(last?.kind === 'exit' && last.code === null, 'it did not end by itself');
      await bench.runsNoMore(plan);
    });
  });
}

/** Runs a program, does something with it, and ends it. */
function execOf<T>(
  machine: Machine,
  program: Partial<ExecProgram> & Pick<ExecProgram, 'command'>,
  use: (execution: Execution) => Promise<T>,
): Observable<T> {
  assert.ok(machine.exec !== undefined, 'a driver that says that it runs programs has machines that do');
  return machine
    .exec({ hasInput: false, hasOutput: true, ...program })
    .pipe(mergeMap((execution) => from(use(execution))));
}

async function everything(execution: Execution): Promise<readonly ExecOutput[]> {
  const outputs: ExecOutput[] = [];
  for (;;) {
    const output = await execution.read();
    if (output === undefined) return outputs;
    outputs.push(output);
  }
}

async function hand(execution: Execution, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) await execution.write(Buffer.from(piece));
  execution.endInput();
}

const textOf = (outputs: readonly ExecOutput[], kind: 'stdout' | 'stderr'): string =>
  Buffer.concat(outputs.flatMap((output) => (output.kind === kind ? [output.data] : []))).toString();
