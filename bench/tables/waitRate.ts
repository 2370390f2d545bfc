import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent, type StateSource, waitForState } from 'rx-instances';
import { type Observable, of, Subject } from 'rxjs';
import { event, instance } from '../events.js';
import { beginAll } from '../harness/beginAll.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { openCrowd } from '../harness/crowd.js';
import { timed } from '../harness/timed.js';
import { rxjsRace } from '../peers/rxjsRace.js';

const rows = [10, 1_000, 10_000, 100_000];
const patience = { timeoutMs: 300_000, pollMs: 300_000 };
const waited = 'waited';
/** Long enough for V8 to be done with what it begins whenever it was idle: to mark a hundred thousand waits as alive. */
const sampleMs = 500;
const running = event(1, waited);

/** Begins a wait and resolves it by an event of its own, over and over, while so many others are pending. */
function stage(
  row: Row,
  publish: (event: LifecycleEvent) => void,
  wait: (instanceId: string) => Observable<unknown>,
): Session {
  let resolved = 0;
  beginAll(Number(row), (index) => {
    wait(`pending${String(index)}`).subscribe();
  });
  const run = (times: number): void => {
    for (let index = 0; index < times; index += 1) {
      wait(waited).subscribe(() => {
        resolved += 1;
      });
      publish(running);
    }
  };
  return timed({
    check: () => {
      run(3);
      assert.equal(resolved, 3, 'each wait is resolved by its event');
    },
    run,
    sampleMs,
  });
}

const alone: Contender = {
  name: 'ours',
  open: (row) => {
    const bus = createLifecycleBus();
    const source: StateSource = {
      events: (instanceId) => bus.events('wait_for_state', { instanceId }),
      read: (instanceId) => of(instance(instanceId, 'Initializing')),
    };
    return stage(row, bus.publish, (instanceId) => waitForState(source, instanceId, 'Running', patience));
  },
};

const race: Contender = {
  name: 'RxJS race',
  open: (row) => {
    const events$ = new Subject<LifecycleEvent>();
    const read = (instanceId: string) => of(instance(instanceId, 'Initializing'));
    const publish = (told: LifecycleEvent): void => {
      events$.next(told);
    };
    return stage(row, publish, (instanceId) => rxjsRace(events$, read, instanceId, 'Running', patience));
  },
};

/** Waits that one event of a manager resolves together: it can't publish but what happens to a machine. */
const perEvent = 1_000;

const managed: Contender = {
  name: 'ours, in a manager',
  open: async (row) => {
    const { manager, driver, create } = await openCrowd();
    const others = await create(Math.min(Number(row), perEvent));
    beginAll(Number(row), (index) => {
      manager.waitForState(others[index % others.length] ?? '', 'Running', patience).subscribe();
    });

    const cycle = async (): Promise<number> => {
      const [id = ''] = await create(1);
      let resolved = 0;
      const startedAt = performance.now();
      for (let index = 0; index < perEvent; index += 1) {
        manager.waitForState(id, 'Running', patience).subscribe(() => {
          resolved += 1;
        });
      }
      driver.machine(id).ready();
      const ms = performance.now() - startedAt;
      assert.equal(resolved, perEvent, 'one event resolves every wait for its instance');
      return (ms / perEvent) * 1e6;
    };

    const cycles = async (count: number): Promise<number> => {
      let total = 0;
      for (let index = 0; index < count; index += 1) total += await cycle();
      return total / count;
    };

    return {
      check: async () => {
        await cycles(10);
      },
      sample: () => cycles(100),
    };
  },
};

/** What a wait costs from its subscribe to its outcome, by the number of others that are pending. */
export const waitRate: Bench = {
  name: 'wait-rate',
  title: 'Begin a wait and resolve it, while others are pending',
  unit: 'ns',
  rowsAre: 'pending',
  rows,
  contenders: [alone, race, managed],
  goals: [alone, managed].map(({ name }) => ({
    what: `${name}, beside 100,000: at least 300,000 a second`,
    of: { contender: name, row: 100_000 },
    atMost: 1e9 / 300_000,
  })),
  about:
    'One wait from its subscribe until the event that resolves it has been told. In a manager, which publishes only what happens to its machines, 1,000 waits share one such event.',
};
