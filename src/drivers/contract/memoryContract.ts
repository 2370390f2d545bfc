import assert from 'node:assert/strict';
import { lastValueFrom, tap, timer } from 'rxjs';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';
import {
  begins,
  counting,
  goesOnFrom,
  holdsNoMemory,
  keeping,
  placeOf,
  resumedFrom,
  suspended,
} from './suspended.js';

/** Declares the sentences of the contract about keeping the memory of machines, and going on from it. */
export function memoryContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  subject: DriverSubject<D>,
  { standbyFrees }: Capabilities,
): void {
  if (standbyFrees !== 'memory') {
    it('which frees no memory on standby cannot keep any', async (bench) => {
      const { machine } = await bench.launched(subject.lasting);
      assert.equal(machine.freezing?.suspend, undefined);
      assert.equal(bench.driver.resume, undefined);
      assert.equal(bench.driver.forget, undefined);
    });
    return;
  }

  const forgetting = (driver: Driver): NonNullable<Driver['forget']> => {
    assert.ok(driver.forget !== undefined, 'what can resume can forget');
    return driver.forget;
  };

  const resuming = (driver: Driver): NonNullable<Driver['resume']> => {
    assert.ok(driver.resume !== undefined, 'what can suspend can resume');
    return driver.resume;
  };

  describe('keeps memory:', () => {
    it('suspend halts a machine, as often as it is asked, and thaw lets it go on', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      const { suspend, thaw } = keeping(machine);
      for (let times = 0; times < 2; times += 1) {
        await bench.done(suspend());
        await bench.done(suspend());
        assert.deepEqual(await bench.status(machine), { kind: 'frozen' });
        await bench.runs(plan);
        await goesOnFrom(bench, await placeOf(bench, plan), { plan, machine });
        await bench.done(thaw());
        assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
      }
    });

    it('what was suspended and killed is resumed where it was, ready, and halted until it is thawed', async (bench) => {
      const { plan, place } = await suspended(bench, await counting(bench, subject));
      await bench.runsNoMore(plan);
      const machine = await bench.resumed(plan);
      await bench.runs(plan);
      assert.deepEqual(await bench.status(machine), { kind: 'frozen' });
      await bench.isReady(machine);
      await goesOnFrom(bench, place, { plan, machine });
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
    });

    it('suspend, resume and forget do nothing before they are subscribed to', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      void keeping(machine).suspend();
      assert.deepEqual(await bench.status(machine), { kind: 'running', ready: true });
      const kept = await suspended(bench, { plan, machine });
      void resuming(bench.driver)(plan);
      void forgetting(bench.driver)(plan.home);
      await bench.runsNoMore(plan);
      await resumedFrom(bench, kept);
    });

    it('it goes on from one machine to the next, as often as it is suspended', async (bench) => {
      let running = await counting(bench, subject);
      for (let times = 0; times < 3; times += 1) {
        running = await resumedFrom(bench, await suspended(bench, running));
      }
    });

    it('a machine that was adopted can be suspended', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      const kept = await suspended(bench, { plan, machine: adopted });
      await bench.exitOf(machine);
      await resumedFrom(bench, kept);
    });

    it('a machine that was frozen can be suspended', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      await bench.done(keeping(machine).freeze());
      await resumedFrom(bench, await suspended(bench, { plan, machine }));
    });

    it('until it is thawed, a kill undoes a resume', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      for (let times = 0; times < 2; times += 1) {
        await bench.one((await bench.resumed(kept.plan)).kill());
        await bench.runsNoMore(kept.plan);
      }
      await resumedFrom(bench, kept);
    });

    it('a resume whose subscriber went before the machine came up is undone', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      for (const turns of [0, 1, 4]) {
        const given: Machine[] = [];
        const failed: unknown[] = [];
        const resuming$ = resuming(bench.driver)(kept.plan).pipe(tap(bench.hold));
        const waiting = resuming$.subscribe({
          next: (machine) => given.push(machine),
          error: (error: unknown) => failed.push(error),
        });
        for (let turn = 0; turn < turns; turn += 1) await lastValueFrom(timer(0));
        waiting.unsubscribe();
        assert.deepEqual(failed, []);
        for (const machine of given) await bench.one(machine.kill());
        // Whatever a resume takes, the launch of another takes too.
        await bench.launched(subject.lasting);
        await bench.runsNoMore(kept.plan);
      }
      await resumedFrom(bench, kept);
    });

    it('once it is thawed, its memory is void', async (bench) => {
      const running = await resumedFrom(bench, await suspended(bench, await counting(bench, subject)));
      await bench.one(running.machine.kill());
      await holdsNoMemory(bench, subject, running.plan);
    });

    it('once a machine that was suspended is thawed, its memory is void', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      await bench.done(keeping(machine).suspend());
      await bench.done(keeping(machine).thaw());
      await bench.one(machine.kill());
      await holdsNoMemory(bench, subject, plan);
    });

    it('a home in which none was suspended holds no memory', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      await bench.done(keeping(machine).freeze());
      await bench.one(machine.kill());
      await holdsNoMemory(bench, subject, plan);
    });

    it('forget removes a memory, and where there is none it is removed already', async (bench) => {
      const { plan } = await suspended(bench, await counting(bench, subject));
      for (let times = 0; times < 2; times += 1) await bench.done(forgetting(bench.driver)(plan.home));
      await holdsNoMemory(bench, subject, plan);
    });

    it('launch begins in a home with a memory too, and makes that void', async (bench) => {
      const { plan } = await suspended(bench, await counting(bench, subject));
      const { machine } = await begins(bench, subject, plan);
      await bench.one(machine.kill());
      await holdsNoMemory(bench, subject, plan);
    });

    it('a copy of a home that holds a memory goes on from it, and each without the others', async (bench) => {
      const kept = await suspended(bench, await counting(bench, subject));
      const copies = [bench.plan(kept.plan), bench.plan(kept.plan)];
      for (const copy of copies) {
        await bench.done(bench.driver.prepare({ ...copy, copyOf: kept.plan.home, kind: 'Standby' }));
      }
      const [one, other] = copies.map((plan) => ({ plan, place: kept.place }));
      assert.ok(one !== undefined && other !== undefined);
      await resumedFrom(bench, await suspended(bench, await resumedFrom(bench, one)));
      await resumedFrom(bench, await suspended(bench, await resumedFrom(bench, kept)));
      await bench.done(bench.driver.discard(kept.plan.home));
      await resumedFrom(bench, await suspended(bench, await resumedFrom(bench, other)));
    });

    it('a copy of a home whose machine stands still goes on from there, and so does that one', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      for (const halt of ['freeze', 'suspend', 'freeze'] as const) {
        await bench.done(keeping(machine)[halt]());
        const place = await placeOf(bench, plan);
        const copies = [bench.plan(plan), bench.plan(plan)];
        for (const copy of copies) {
          await bench.done(bench.driver.prepare({ ...copy, copyOf: plan.home, kind: 'Standby' }));
        }
        await goesOnFrom(bench, place, { plan, machine });
        for (const copy of copies) {
          const going = await resumedFrom(bench, { plan: copy, place });
          await bench.one(going.machine.kill());
        }
      }
    });

    it('what is suspended is still there when it was copied', async (bench) => {
      const { plan, machine } = await counting(bench, subject);
      await bench.done(keeping(machine).suspend());
      const place = await placeOf(bench, plan);
      const copy = bench.plan(plan);
      await bench.done(bench.driver.prepare({ ...copy, copyOf: plan.home, kind: 'Standby' }));
      await bench.one(machine.kill());
      await resumedFrom(bench, { plan, place });
    });

    it('a copy of kind Stopped leaves the memory out', async (bench) => {
      const { plan } = await suspended(bench, await counting(bench, subject));
      for (const kind of [{}, { kind: 'Stopped' }] as const) {
        const copy = bench.plan(plan);
        await bench.done(bench.driver.prepare({ ...copy, copyOf: plan.home, ...kind }));
        await holdsNoMemory(bench, subject, copy);
      }
    });

    it('a copy of kind Standby of a home without a memory fails, and leaves no home', async (bench) => {
      const plan = await bench.prepared(subject.lasting);
      const copy = bench.plan(subject.lasting);
      await bench.fails(bench.driver.prepare({ ...copy, copyOf: plan.home, kind: 'Standby' }));
      await bench.fails(bench.driver.launch(copy));
    });
  });
}
