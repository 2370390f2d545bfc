import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent, openManager } from 'rx-instances';
import { EMPTY, NEVER, type ObservableInput } from 'rxjs';
import { event } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { heap } from '../harness/heap.js';
import { idleDriver } from '../harness/idleDriver.js';
import { keepsAll, longLog, reader } from '../harness/longLog.js';

const rows = [10_000, 1_000_000];

/** Somebody who is behind. */
interface Laggard {
  /** How many events he was given. */
  readonly given: number;
  leave(): void;
}

/** A sample is what the heap grew by since nobody was behind. */
function stage(fallBehind: () => Laggard | Promise<Laggard>, given: number): Session {
  const grow = async (): Promise<number> => {
    const before = await heap();
    const laggard = await fallBehind();
    const bytes = (await heap()) - before;
    assert.equal(laggard.given, given, 'he was given what he took, and all else waits or is lost');
    laggard.leave();
    return bytes;
  };
  return {
    check: async () => {
      await grow();
    },
    sample: grow,
  };
}

/** How many he works off before his work comes to a halt. */
const done = 1_000;

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const dataDir = await longLog(Number(row));
    const manager = await openManager({ dataDir, drivers: [idleDriver], config: keepsAll });
    const fallBehind = (): Promise<Laggard> =>
      new Promise((resolve) => {
        let given = 0;
        const project = (): ObservableInput<never> => {
          given += 1;
          if (given <= done) return EMPTY;
          resolve({
            given,
            leave: () => {
              working.unsubscribe();
            },
          });
          return NEVER;
        };
        const working = manager.consume(reader, project, { durable: true }).subscribe();
      });
    return { ...stage(fallBehind, done + 1), close: () => manager.close() };
  },
};

const publishAll = (row: Row, publish: (event: LifecycleEvent) => void): void => {
  for (let sequence = 1; sequence <= Number(row); sequence += 1) publish(event(sequence, 'worked'));
};

const lossy: Contender = {
  name: 'ours, dropNewest',
  open: (row) =>
    stage(() => {
      const bus = createLifecycleBus();
      let given = 0;
      const working = bus
        .consume(reader, () => {
          given += 1;
          return NEVER;
        })
        .subscribe();
      publishAll(row, bus.publish);
      return {
        given,
        leave: () => {
          working.unsubscribe();
        },
      };
    }, 1),
};

const array: Contender = {
  name: 'an array',
  open: (row) =>
    stage(() => {
      const events: LifecycleEvent[] = [];
      publishAll(row, (published) => events.push(published));
      return {
        given: events.length,
        leave: () => {
          events.length = 0;
        },
      };
    }, Number(row)),
};

/** What waits in memory for somebody who loses nothing. */
export const behind: Bench = {
  name: 'behind',
  title: 'Memory of a consumer who is far behind and loses nothing',
  unit: 'bytes',
  rowsAre: 'events behind',
  rows,
  rounds: 3,
  contenders: [ours, lossy, array],
  goals: [
    {
      what: '1,000,000 events behind: flat',
      of: { contender: ours.name, row: 1_000_000 },
      atMost: 1_000_000,
    },
    {
      what: '1,000,000 events behind, beside an array of them',
      of: { contender: ours.name, row: 1_000_000 },
      by: { contender: array.name, row: 1_000_000 },
      atMost: 0.01,
    },
  ],
  about:
    'What the heap grew by, buffers beside it included, for a durable consumer who begins so many events behind in a data directory, works off a thousand and then comes to a halt. With `dropNewest` his work halts at the first of as many that are published, and he loses all that find no room. An array holds them all.',
};
