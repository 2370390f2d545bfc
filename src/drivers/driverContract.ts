import * as E from 'fp-ts/lib/Either.js';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lastValueFrom, merge, ReplaySubject, take, tap, timer } from 'rxjs';
import { type ContractBench, createContractBench } from './contractBench.js';
import type { Driver, Machine, Signal } from './driver.js';
import type { DriverSubject } from './driverSubject.js';
import { reclaimContract } from './reclaimContract.js';
import { snapshotContract } from './snapshotContract.js';

/** The two words that every test framework has. */
export interface ContractFramework {
  /** Groups what the body declares. */
  describe(name: string, body: () => void): void;
  /** Declares one test. */
  it(name: string, body: () => Promise<void>): void;
}

/**
 * Declares one test for each sentence of the law that every driver obeys, in any framework with `describe` and `it`. What
 * a driver does not have (logs, freezing, snapshots) is left out; the {@link DriverSubject} tells what there is to try.
 *
 * @example
 * ```ts
 * import { createMemoryDriver } from 'rx-instances';
 * import { driverContract } from 'rx-instances/testing';
 *
 * const spec = { driver: 'memory', image: 'any', env: {}, tags: {} };
 * const waiting = { ...spec, readiness: { kind: 'tcp', port: 80 } } as const;
 * let sentences = 0;
 *
 * driverContract(
 *   { describe: (_, body) => body(), it: () => (sentences += 1) },
 *   {
 *     createDriver: () => createMemoryDriver({ fail: (operation, { spec }) =>
 *       operation === 'launch' && spec.image === 'broken' ? new Error('no such image') : undefined,
 *     }),
 *     homesDir: '/nowhere',
 *     isRunning: (driver, id) => driver.running().includes(id),
 *     crash: (driver, id) => driver.machine(id).exit({ code: null, signal: 'SIGKILL' }),
 *     fields: { stopGraceMs: 100 },
 *     lasting: { spec },
 *     ending: { spec, play: (driver, id) => driver.machine(id).exit({ code: 3, signal: null }) },
 *     slow: { spec: waiting, play: (driver, id) => driver.machine(id).ready() },
 *     neverReady: { spec: waiting },
 *     broken: { spec: { ...spec, image: 'broken' } },
 *   },
 * );
 * sentences > 40; // => true
 * ```
 */
export function driverContract<D extends Driver>(
  { describe, it }: ContractFramework,
  subject: DriverSubject<D>,
): void {
  const { kind, capabilities, reclaim, snapshots } = subject.createDriver();
  const { lasting, ending, slow, neverReady, broken, stubborn, printing, content } = subject;

  const law = (sentence: string, body: (bench: ContractBench<D>) => Promise<void>): void => {
    it(sentence, async () => {
      const bench = createContractBench(subject);
      try {
        await body(bench);
      } finally {
        await bench.clear();
      }
    });
  };

  describe(`a driver of kind "${kind}"`, () => {
    describe('is cold:', () => {
      law('prepare, launch and discard do nothing before they are subscribed to', async (bench) => {
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

      law('what a machine can be told does nothing before it is subscribed to', async (bench) => {
        const { machine } = await bench.launched(lasting);
        void machine.stop({ graceMs: 0 });
        void machine.kill();
        void machine.freezing?.freeze();
        await bench.isReady(machine);
        assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
      });
    });

    describe('prepares and launches:', () => {
      law(
        'prepare completes without a value; launch emits one machine, which runs, and completes',
        async (bench) => {
          const { plan } = await bench.launched(lasting);
          await bench.runs(plan);
        },
      );

      law('a prepare that fails leaves no home', async (bench) => {
        const plan = bench.plan(lasting);
        await bench.fails(bench.driver.prepare({ ...plan, copyOf: `${plan.home}-that-is-not-there` }));
        assert.equal(existsSync(plan.home), false);
        await bench.fails(bench.driver.launch(plan));
      });

      law('a launch without a home fails', async (bench) => {
        await bench.fails(bench.driver.launch(bench.plan(lasting)));
      });

      law('a launch that fails says why, and leaves no machine', async (bench) => {
        const plan = await bench.prepared(broken);
        await bench.fails(bench.driver.launch(plan));
        await bench.runsNoMore(plan);
      });

      law('a home can be launched again when its machine has ended', async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        await bench.one(machine.kill());
        const again = await bench.launchAgain(lasting, plan);
        assert.notDeepEqual(again.machine.handle, machine.handle);
        assert.equal((await bench.status(again.machine)).kind, 'running');
        assert.equal((await bench.status(machine)).kind, 'ended');
      });

      law('a machine whose subscriber went before it came up is killed', async (bench) => {
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

    describe('has handles:', () => {
      law('a handle is JSON', async (bench) => {
        const { machine } = await bench.launched(lasting);
        assert.deepEqual(JSON.parse(JSON.stringify(machine.handle)), machine.handle);
      });

      law('adopt finds a machine that runs, with the same handle, and its end', async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        const adopt$ = bench.driver.adopt(plan, carried(machine)).pipe(tap(bench.hold));
        const adopted = await bench.one(adopt$);
        assert.deepEqual(adopted.handle, machine.handle);
        await bench.isReady(adopted);
        assert.deepEqual(await bench.status(adopted), { kind: 'running', ready: true });

        const exit = await bench.one(adopted.kill());
        assert.deepEqual(await bench.exitOf(adopted), exit);
        assert.deepEqual(await bench.status(adopted), { kind: 'ended', exit });
        await bench.exitOf(machine);
        await bench.runsNoMore(plan);
      });

      law('adopt fails for a machine that has ended', async (bench) => {
        const { plan, machine } = await bench.launched(ending);
        await bench.exitOf(machine);
        await bench.fails(bench.driver.adopt(plan, carried(machine)));
        await bench.fails(bench.driver.adopt(plan, carried(machine)));
      });
    });

    describe('tells signals:', () => {
      law('without readiness in the spec a machine is ready at once', async (bench) => {
        const { machine } = await bench.launched(lasting);
        await bench.isReady(machine);
        assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
      });

      law('with readiness it is ready when it says so', async (bench) => {
        const { machine } = await bench.launched(slow);
        await bench.isReady(machine);
        assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
      });

      law('one that never becomes ready runs unready and never says so, also when it ends', async (bench) => {
        const { machine } = await bench.launched(neverReady);
        assert.deepEqual(await bench.status(machine), { kind: 'running', ready: false });
        const exit = await bench.one(machine.kill());
        assert.deepEqual(await bench.all(machine.signals$), [{ kind: 'exit', exit }]);
      });

      law('one that ends by itself says how, last, and completes', async (bench) => {
        const { plan, machine } = await bench.launched(ending);
        const signals = await bench.all(machine.signals$);
        assert.deepEqual(signals.at(-1), { kind: 'exit', exit: { code: 3, signal: null } });
        assert.deepEqual(signals.slice(0, -1), [{ kind: 'ready' }]);
        await bench.runsNoMore(plan);
      });

      law('one that is ended from outside says so', async (bench) => {
        const { plan, machine } = await bench.launched(lasting);
        await bench.isReady(machine);
        await subject.crash(bench.driver, plan.instanceId);
        const exit = await bench.exitOf(machine);
        assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
      });

      law('every subscriber gets all signals, also one that comes after the end', async (bench) => {
        const { machine } = await bench.launched(slow);
        const early$ = new ReplaySubject<Signal>(Infinity);
        machine.signals$.subscribe(early$);
        await bench.isReady(machine);
        const exit = await bench.one(machine.kill());
        const all = [{ kind: 'ready' }, { kind: 'exit', exit }];
        assert.deepEqual(await bench.all(early$), all);
        assert.deepEqual(await bench.all(machine.signals$), all);
        assert.deepEqual(await bench.all(machine.signals$), all);
      });

      law('nothing is ended by unsubscribing from them', async (bench) => {
        const { machine } = await bench.launched(lasting);
        machine.signals$.subscribe().unsubscribe();
        assert.equal((await bench.status(machine)).kind, 'running');
      });
    });

    describe('ends machines:', () => {
      for (const verb of ['stop', 'kill'] as const) {
        law(`${verb} emits how the machine ended, as its signal and a look tell it too`, async (bench) => {
          const { plan, machine } = await bench.launched(lasting);
          const exit = await bench.one(end(machine, verb));
          assert.deepEqual(await bench.exitOf(machine), exit);
          assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
          await bench.runsNoMore(plan);
        });

        law(`${verb} of one that has ended answers how it ended, as often as it is asked`, async (bench) => {
          const { machine } = await bench.launched(ending);
          await bench.exitOf(machine);
          for (let times = 0; times < 2; times += 1) {
            assert.deepEqual(await bench.one(end(machine, verb)), { code: 3, signal: null });
          }
        });

        law(`${verb} of one that is not ready yet ends it too`, async (bench) => {
          const { plan, machine } = await bench.launched(neverReady);
          await bench.one(end(machine, verb));
          await bench.runsNoMore(plan);
        });
      }

      law('several stops and kills at once all answer alike', async (bench) => {
        const { machine } = await bench.launched(lasting);
        const ends = (['stop', 'stop', 'kill', 'kill'] as const).map((verb) => end(machine, verb));
        const exits = await bench.all(merge(...ends));
        assert.deepEqual(exits, Array<unknown>(4).fill(exits[0]));
      });

      if (stubborn !== undefined) {
        law('stop kills one that does not end within its grace', async (bench) => {
          const { plan, machine } = await bench.launched(stubborn);
          await bench.isReady(machine);
          const exit = await bench.one(machine.stop({ graceMs: 20 }));
          assert.deepEqual(await bench.exitOf(machine), exit);
          await bench.runsNoMore(plan);
        });
      }
    });

    if (capabilities.standbyFrees === 'nothing') {
      law('which frees nothing on standby has machines without freezing', async (bench) => {
        const { machine } = await bench.launched(lasting);
        assert.equal(machine.freezing, undefined);
      });
    }

    if (capabilities.standbyFrees === 'cpu') {
      describe('freezes machines:', () => {
        law('freeze halts and thaw resumes, both as often as they are asked', async (bench) => {
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
          law(`${verb} ends a frozen machine`, async (bench) => {
            const { plan, machine } = await bench.launched(lasting);
            await bench.done(freezingOf(machine).freeze());
            const exit = await bench.one(end(machine, verb));
            assert.deepEqual(await bench.status(machine), { kind: 'ended', exit });
            await bench.runsNoMore(plan);
          });
        }

        law('an adopted machine that is frozen is found frozen, and can be thawed', async (bench) => {
          const { plan, machine } = await bench.launched(lasting);
          await bench.done(freezingOf(machine).freeze());
          const adopted = await bench.one(bench.driver.adopt(plan, carried(machine)).pipe(tap(bench.hold)));
          assert.deepEqual(await bench.status(adopted), { kind: 'frozen' });
          await bench.done(freezingOf(adopted).thaw());
          assert.equal((await bench.status(adopted)).kind, 'running');
        });
      });
    }

    describe('keeps homes:', () => {
      law('discard removes a home, and one that is not there is removed already', async (bench) => {
        const plan = await bench.prepared(lasting);
        for (let times = 0; times < 2; times += 1) {
          await bench.done(bench.driver.discard(plan.home));
          assert.equal(existsSync(plan.home), false);
        }
        await bench.fails(bench.driver.launch(plan));
      });

      law('a home can be copied, and each goes on without the other', async (bench) => {
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

      law('a home that was discarded and is prepared anew is fresh', async (bench) => {
        const plan = await bench.prepared(lasting);
        content?.write(plan.home, 'of the former');
        await bench.done(bench.driver.discard(plan.home));
        await bench.done(bench.driver.prepare(plan));
        assert.equal(content?.read(plan.home), undefined);
        if (printing !== undefined) assert.deepEqual(await bench.log(plan), []);
      });
    });

    if (reclaim !== undefined) reclaimContract(describe, law, subject);
    if (snapshots !== undefined) snapshotContract(describe, law, subject);

    describe('keeps logs:', () => {
      law('a log that it does not keep is not found', async (bench) => {
        const { home } = await bench.prepared(lasting);
        for (const follow of [false, true]) {
          const error = await bench.fails(
            bench.driver.logs(home, { source: 'no-such-log', tail: 1, follow }),
          );
          assert.equal((error as { _tag?: unknown })._tag, 'LogNotFound');
        }
      });

      if (printing === undefined) return;

      law('a log begins with as many lines from the end as are asked for, then completes', async (bench) => {
        const { plan } = await bench.launched(printing);
        assert.deepEqual(await bench.logOf(3, plan), lines);
        assert.deepEqual(await bench.log(plan, 2), lines.slice(1));
        assert.deepEqual(await bench.log(plan, 3), lines);
        assert.deepEqual(await bench.log(plan, 0), []);
      });

      law('a log is kept when the machine has ended, and goes on with the next', async (bench) => {
        const { plan, machine } = await bench.launched(printing);
        await bench.logOf(3, plan);
        await bench.one(machine.kill());
        assert.deepEqual(await bench.log(plan), lines);
        await bench.launchAgain(printing, plan);
        assert.deepEqual(await bench.logOf(6, plan), [...lines, ...lines]);
      });

      law('who follows a log gets the last lines, then each new one once', async (bench) => {
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

    describe('decodes fields:', () => {
      law('those it knows are accepted, and what came out goes in again', async ({ driver }) => {
        const decoded = driver.decode(subject.fields);
        assert.ok(E.isRight(decoded), 'the fields are accepted');
        assert.deepEqual(driver.decode({ ...decoded.right }), decoded);
        return Promise.resolve();
      });

      law('one that it does not know is a fault, named by its path', async ({ driver }) => {
        const decoded = driver.decode({ ...subject.fields, noSuchField: true });
        assert.ok(E.isLeft(decoded), 'the fields are refused');
        assert.deepEqual(
          decoded.left.map(({ path }) => path),
          ['noSuchField'],
        );
        return Promise.resolve();
      });
    });
  });
}

const lines = ['one', 'two', 'three'];

const end = (machine: Machine, verb: 'stop' | 'kill') =>
  verb === 'stop' ? machine.stop({ graceMs: 2_000 }) : machine.kill();

/** The handle as a store would give it back. */
const carried = ({ handle }: Machine) => JSON.parse(JSON.stringify(handle)) as Machine['handle'];

const freezingOf = ({ freezing }: Machine) => {
  assert.ok(freezing !== undefined, 'a driver whose standby frees the CPU has machines that can be frozen');
  return freezing;
};
