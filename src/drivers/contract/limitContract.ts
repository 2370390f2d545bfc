import * as E from 'fp-ts/lib/Either.js';
import assert from 'node:assert/strict';
import type { LimitName } from '../../lifecycle/instance.js';
import type { Capabilities, Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Of each limit a value that is one. */
const anyLimits = {
  memoryMiB: 64,
  cpus: 0.5,
  pids: 20,
  openFiles: 64,
  user: '0:0',
} as const satisfies Readonly<Record<LimitName, unknown>>;

/** How long a machine is watched that never rests, and how much more than its share it may have had by then. */
const watchedMs = 1_500;
const leeway = 1.5;

/** Declares the sentences of the contract about what machines may use, and as whom they run. */
export function limitContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { fields, limits: specimens = {}, patienceMs = 4_000 }: DriverSubject<D>,
  { limits = [] }: Capabilities,
): void {
  const held = <Name extends LimitName>(name: Name): (typeof specimens)[Name] | undefined =>
    limits.includes(name) ? specimens[name] : undefined;

  describe('holds machines to limits:', () => {
    it('one that it does not hold is a fault, named by its path', async ({ driver }) => {
      for (const [name, value] of Object.entries(anyLimits)) {
        if (limits.some((each) => each === name)) continue;
        const decoded = driver.decode({ ...fields, [name]: value });
        assert.ok(E.isLeft(decoded), `${name} is refused`);
        assert.deepEqual(
          decoded.left.map(({ path }) => path),
          [name],
        );
      }
      return Promise.resolve();
    });

    const hungry = held('memoryMiB');
    if (hungry !== undefined) {
      it('who takes more memory than it may is killed, and its exit tells so', async (bench) => {
        const { plan, machine } = await bench.launched(hungry);
        const exit = await bench.exitOf(machine);
        assert.equal(exit.oomKilled, true);
        assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
        await bench.runsNoMore(plan);
      });
    }

    for (const [name, what] of [
      ['pids', 'start more at a time than it may'],
      ['openFiles', 'open more files than it may'],
    ] as const) {
      const specimen = held(name);
      if (specimen === undefined) continue;
      it(`who tries to ${what} can't`, async (bench) => {
        const { machine } = await bench.launched(specimen);
        assert.deepEqual(await bench.exitOf(machine), { code: 3, signal: null });
      });
    }

    const named = held('user');
    if (named !== undefined) {
      it('it runs as the user that is named, and may write where it works', async (bench) => {
        const { machine } = await bench.launched(named);
        assert.deepEqual(await bench.exitOf(machine), { code: 3, signal: null });
      });
    }

    const busy = held('cpus');
    if (busy === undefined) return;
    it('who never rests gets its share of the processors', async (bench) => {
      const { plan, machine } = await bench.launched(busy);
      const begun = performance.now();
      const before = busy.usedMs(plan.instanceId);
      const lasted = (): number => performance.now() - begun;
      await bench.eventually(
        () => Promise.resolve(lasted()),
        (ms) => ms >= Math.min(watchedMs, patienceMs / 2),
      );
      const share = (busy.usedMs(plan.instanceId) - before) / lasted();
      const cpus = busy.spec.cpus ?? 0;
      assert.ok(share > 0, 'it has had some');
      assert.ok(
        share <= cpus * leeway,
        `it has had ${share.toFixed(2)} of a processor, and may have ${String(cpus)}`,
      );
      await bench.one(bench.end(machine, 'kill'));
    });
  });
}
