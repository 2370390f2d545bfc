import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { concatMap, NEVER, type Observable, Subject } from 'rxjs';
import { event } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { heap } from '../harness/heap.js';

const rows = [1_000, 100_000, 1_000_000];

interface Consumed {
  publish(event: LifecycleEvent): void;
  /** Works on events without ever coming to an end. */
  consume(begun: (event: LifecycleEvent) => void): Observable<unknown>;
}

/** A sample is what the heap grew by while so many events were published behind one whose work does not end. */
function stage(row: Row, begin: () => Consumed): Session {
  const grow = async (): Promise<{ readonly bytes: number; readonly begun: number }> => {
    const { publish, consume } = begin();
    let begun = 0;
    const working = consume(() => (begun += 1)).subscribe();
    const before = await heap();
    for (let sequence = 1; sequence <= Number(row); sequence += 1) publish(event(sequence, 'worked'));
    const bytes = (await heap()) - before;
    working.unsubscribe();
    return { bytes, begun };
  };

  return {
    check: async () => {
      const { begun } = await grow();
      assert.equal(begun, 1, 'one event is worked on, the others wait or are lost');
    },
    sample: async () => (await grow()).bytes,
  };
}

const ours: Contender = {
  name: 'ours',
  open: (row) =>
    stage(row, () => {
      const bus = createLifecycleBus();
      return {
        publish: bus.publish,
        consume: (begun) =>
          bus.consume('bench', (told) => {
            begun(told);
            return NEVER;
          }),
      };
    }),
};

const unbounded: Contender = {
  name: 'Subject and concatMap',
  open: (row) =>
    stage(row, () => {
      const events$ = new Subject<LifecycleEvent>();
      return {
        publish: (told) => {
          events$.next(told);
        },
        consume: (begun) =>
          events$.pipe(
            concatMap((told) => {
              begun(told);
              return NEVER;
            }),
          ),
      };
    }),
};

/** What waits in memory behind work that does not end. */
export const consumeMemory: Bench = {
  name: 'consume-memory',
  title: 'Memory behind work that does not end',
  unit: 'bytes',
  rowsAre: 'events',
  rows,
  rounds: 3,
  contenders: [ours, unbounded],
  goals: [
    {
      what: 'after 1,000,000 events: flat',
      of: { contender: ours.name, row: 1_000_000 },
      atMost: 1_000_000,
    },
  ],
  about: 'What the heap grew by while so many events were published, the first of which is still worked on.',
};
