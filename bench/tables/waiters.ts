import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent, type StateSource, waitForState } from 'rx-instances';
import { of, Subject } from 'rxjs';
import { event, instance } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { beginAll } from '../harness/beginAll.js';
import { timed } from '../harness/timed.js';
import { rxjsRace } from '../peers/rxjsRace.js';

const rows = [10, 1_000, 10_000, 100_000, 1_000_000];
/** Nobody polls while a publish is timed. */
const patience = { timeoutMs: 300_000, pollMs: 300_000 };
/** Of so many, since the place of one id in the table of those who wait may be lucky or not. */
const others = Array.from({ length: 64 }, (_, index) => event(index + 1, `nobody${String(index)}`));

const idOf = (index: number): string => `waited${String(index)}`;

/** A stream on which waits can be begun, each of which calls back when it has its answer. */
interface Waiting {
  publish(event: LifecycleEvent): void;
  wait(instanceId: string, resolved: () => void): void;
}

/** Lets so many wait, each for an instance of its own, and publishes events of others, for which nobody waits. */
function stage(row: Row, { publish, wait }: Waiting): Session {
  let resolved = 0;
  beginAll(Number(row), (index) => {
    wait(idOf(index), () => {
      resolved += 1;
    });
  });

  return timed({
    check: () => {
      for (const other of others) publish(other);
      assert.equal(resolved, 0, 'an event of another instance resolves no wait');
      publish(event(1, idOf(0)));
      assert.equal(resolved, 1, 'an event of its instance resolves the wait');
      wait(idOf(0), () => undefined);
    },
    run: (times) => {
      for (let index = 0; index < times; index += 1) publish(others[index % others.length] as LifecycleEvent);
    },
  });
}

const ours: Contender = {
  name: 'ours',
  open: (row) => {
    const bus = createLifecycleBus();
    const source: StateSource = {
      events: (instanceId) => bus.events('wait_for_state', { instanceId }),
      read: (instanceId) => of(instance(instanceId, 'Initializing')),
    };
    return stage(row, {
      publish: bus.publish,
      wait: (instanceId, resolved) => {
        waitForState(source, instanceId, 'Running', patience).subscribe(resolved);
      },
    });
  },
};

const race: Contender = {
  name: 'RxJS race',
  upTo: 10_000,
  open: (row) => {
    const events$ = new Subject<LifecycleEvent>();
    const read = (instanceId: string) => of(instance(instanceId, 'Initializing'));
    return stage(row, {
      publish: (told) => {
        events$.next(told);
      },
      wait: (instanceId, resolved) => {
        rxjsRace(events$, read, instanceId, 'Running', patience).subscribe(resolved);
      },
    });
  },
};

const floor: Contender = {
  name: 'Map of lists',
  open: (row) => {
    const waiting = new Map<string, (() => void)[]>();
    return stage(row, {
      publish: ({ instanceId }) => {
        const lists = waiting.get(instanceId);
        if (lists === undefined) return;
        waiting.delete(instanceId);
        for (const resolved of lists) resolved();
      },
      wait: (instanceId, resolved) => {
        waiting.set(instanceId, [...(waiting.get(instanceId) ?? []), resolved]);
      },
    });
  },
};

/** What one publish costs, by the number of waits for other instances. */
export const waiters: Bench = {
  name: 'waiters',
  title: 'Publish while others wait for other instances',
  unit: 'ns',
  rowsAre: 'waits',
  rows,
  contenders: [ours, race, floor],
  goals: [
    {
      what: 'beside 100,000, beside what it costs beside 10',
      of: { contender: ours.name, row: 100_000 },
      by: { contender: ours.name, row: 10 },
      atMost: 2,
    },
    {
      what: 'beside 100,000',
      of: { contender: ours.name, row: 100_000 },
      atMost: 1_000,
    },
    {
      what: 'beside 100,000, beside the RxJS race with 10,000',
      of: { contender: ours.name, row: 100_000 },
      by: { contender: race.name, row: 10_000 },
      atMost: 1 / 10_000,
    },
    {
      what: 'beside 1,000,000',
      of: { contender: ours.name, row: 1_000_000 },
      atMost: 2_000,
    },
  ],
  about:
    'One publish of an event of one of 64 instances for which nobody waits, while so many `waitForState` are pending, each for an instance of its own. Nobody polls meanwhile.',
};
