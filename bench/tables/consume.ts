import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { concatMap, type Observable, type ObservableInput, of, Subject } from 'rxjs';
import { eventsOf } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { timed } from '../harness/timed.js';

const atOnce = 'work that ends at once';
const inPromise = 'work in a promise';
const rows = [atOnce, inPromise];
const burst = 64;

type Project = (event: LifecycleEvent) => ObservableInput<number>;

/** Publishes bursts, each of which is worked off before the next. */
function stage(
  row: Row,
  publish: (event: LifecycleEvent) => void,
  consume: (project: Project) => Observable<number>,
): Session {
  const events = eventsOf('worked', burst);
  let left = 0;
  let sum = 0;
  let workedOff: () => void = () => undefined;
  const work$ = consume(
    row === atOnce ? ({ sequence }) => of(sequence) : ({ sequence }) => Promise.resolve(sequence),
  );
  work$.subscribe((sequence) => {
    sum += sequence;
    left -= 1;
    if (left === 0) workedOff();
  });

  const run = async (times: number): Promise<void> => {
    for (let remaining = times; remaining > 0; remaining -= burst) {
      const size = Math.min(remaining, burst);
      left = size;
      const end = new Promise<void>((resolve) => {
        workedOff = resolve;
      });
      for (let index = 0; index < size; index += 1) publish(events[index] as LifecycleEvent);
      await end;
    }
  };

  return timed({
    check: async () => {
      await run(burst * 2);
      assert.equal(sum, burst * (burst + 1), 'every event is worked on once');
    },
    run,
  });
}

const ours: Contender = {
  name: 'ours',
  open: (row) => {
    const bus = createLifecycleBus();
    return stage(row, bus.publish, (project) => bus.consume('bench', project));
  },
};

const unbounded: Contender = {
  name: 'Subject and concatMap',
  open: (row) => {
    const events$ = new Subject<LifecycleEvent>();
    const publish = (event: LifecycleEvent): void => {
      events$.next(event);
    };
    return stage(row, publish, (project) => events$.pipe(concatMap(project)));
  },
};

/** What one event costs from its publish to the result of its work, with room to spare. */
export const consume: Bench = {
  name: 'consume',
  title: 'Work on every event, with room to spare',
  unit: 'ns',
  rowsAre: '',
  rows,
  rounds: 11,
  contenders: [ours, unbounded],
  goals: rows.map((row) => ({
    what: `${row}, beside concatMap`,
    of: { contender: ours.name, row },
    by: { contender: unbounded.name, row },
    atMost: 1.2,
  })),
  about:
    'One event from its publish to the result of its work, one at a time, in bursts of 64 that fit into the queue of 256.',
};
