import { createWaiter, WaiterState } from '@smithy/util-waiter';
import pWaitFor from 'p-wait-for';
import assert from 'node:assert/strict';
import type { Instance, LifecycleEvent } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { event, instance } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { openCrowd } from '../harness/crowd.js';
import { createChannelBus } from '../peers/channelBus.js';
import { createDaytonaSandbox } from '../peers/daytonaSandbox.js';
import { hypemanWait } from '../peers/hypemanWait.js';

const before = 'between read and subscribe';
const during = 'while it waits';
const rows = [before, during];

/** One instance that is Initializing, and becomes Running when told to. */
interface Scene {
  /** Lets it become Running: all that can hear of it does. */
  change(): void;
  /** Begins to wait, with what was known of the instance before. */
  wait(): Promise<unknown>;
}

/** A sample is the time from the change to the outcome of the wait. */
function stage(row: Row, open: () => Scene | Promise<Scene>): Session {
  const sample = async (): Promise<number> => {
    const { change, wait } = await open();
    const waiting = row === during ? wait() : undefined;
    // By now it has subscribed, and looked for the first time.
    await turns();
    const startedAt = performance.now();
    change();
    const outcome = await (waiting ?? wait());
    const ms = performance.now() - startedAt;
    assert.equal(outcome, 'Running', 'the wait ends with the state');
    return ms * 1e6;
  };
  return {
    check: async () => {
      await sample();
    },
    sample,
  };
}

const turns = (): Promise<void> => new Promise((turn) => setImmediate(turn));

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const { manager, driver, create } = await openCrowd();
    return stage(row, async () => {
      const [id = ''] = await create(1);
      return {
        change: () => {
          driver.machine(id).ready();
        },
        wait: async () => (await firstValueFrom(manager.waitForState(id, 'Running'))).state,
      };
    });
  },
};

/** A table of one instance, for those who read it, and a list of those who are told. */
function createPlain(tell: (event: LifecycleEvent) => void) {
  const snapshot = instance('waited', 'Initializing');
  let known: Instance = snapshot;
  return {
    snapshot,
    read: () => known,
    change: () => {
      const ready = event(2, 'waited');
      known = ready.instance ?? known;
      tell(ready);
    },
  };
}

const hypeman: Contender = {
  name: 'hypeman, re-told',
  open: (row) =>
    stage(row, () => {
      const bus = createChannelBus();
      const { snapshot, read, change } = createPlain(bus.notify);
      return { change, wait: async () => (await hypemanWait({ bus, read }, snapshot, 'Running')).state };
    }),
};

const daytona: Contender = {
  name: 'Daytona, re-told',
  open: (row) =>
    stage(row, () => {
      const { snapshot, read, change } = createPlain(({ instance: now }) => {
        if (now !== undefined) sandbox.told(now.state);
      });
      const sandbox = createDaytonaSandbox(() => Promise.resolve(read().state), snapshot.state);
      return {
        change,
        wait: async () => {
          await sandbox.waitFor('Running', 100, new AbortController().signal);
          return sandbox.state();
        },
      };
    }),
};

const nothing = (): void => undefined;

const polling: Contender = {
  name: 'p-wait-for',
  open: (row) =>
    stage(row, () => {
      const { read, change } = createPlain(nothing);
      const wait = async (): Promise<unknown> => {
        await pWaitFor(() => read().state === 'Running');
        return read().state;
      };
      return { change, wait };
    }),
};

const smithy: Contender = {
  name: 'smithy waiter',
  open: (row) =>
    stage(row, () => {
      const { read, change } = createPlain(nothing);
      const look = (): Promise<{ readonly state: WaiterState }> =>
        Promise.resolve({
          state: read().state === 'Running' ? WaiterState.SUCCESS : WaiterState.RETRY,
        });
      const wait = async (): Promise<unknown> => {
        const options = { client: undefined, minDelay: 2, maxDelay: 120, maxWaitTime: 60 };
        await createWaiter(options, undefined, look);
        return read().state;
      };
      return { change, wait };
    }),
};

/** How long it takes until a wait knows of a change. */
export const lostWakeUp: Bench = {
  name: 'lost-wake-up',
  title: 'From a change to the outcome of a wait',
  unit: 'ns',
  rowsAre: 'when the change falls',
  rows,
  rounds: 3,
  contenders: [ours, hypeman, daytona, polling, smithy],
  goals: rows.map((row) => ({ what: row, of: { contender: ours.name, row }, atMost: 1e6 })),
  about:
    'From the change of an instance until the wait for it has its outcome. Between read and subscribe: the caller has read the instance, then it changes, then the wait begins. Each peer polls as it does by default: hypeman every 5 s, Daytona every 100 ms, p-wait-for every 20 ms, smithy after 2 s and more.',
};
