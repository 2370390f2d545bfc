import * as Effect from 'effect/Effect';
import * as PubSub from 'effect/PubSub';
import * as Scope from 'effect/Scope';
import assert from 'node:assert/strict';
import { createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { NEVER, Subject } from 'rxjs';
import { eventsOf } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { timed } from '../harness/timed.js';

const rows = [1, 10, 100, 1_000, 10_000];
const capacity = 256;
const events = eventsOf('published');

/** Publishes until every queue is full, and goes on; `dropped` tells how many values were lost in all queues together. */
function stage(row: Row, publish: (event: LifecycleEvent) => void, dropped: () => number): Session {
  const publishTimes = (times: number): void => {
    for (let index = 0; index < times; index += 1) publish(events[index % events.length] as LifecycleEvent);
  };
  publishTimes(capacity + 2);
  return timed({
    check: () => {
      const before = dropped();
      publishTimes(10);
      assert.equal(dropped() - before, 10 * Number(row), 'every queue loses every event');
    },
    run: publishTimes,
  });
}

const ours: Contender = {
  name: 'ours',
  open: (row) => {
    const bus = createLifecycleBus();
    for (let index = 0; index < Number(row); index += 1) {
      bus.consume('bench', () => NEVER, { capacity }).subscribe();
    }
    return stage(row, bus.publish, () => bus.stats()['bench']?.dropped.buffer_full ?? 0);
  },
};

const arrays: Contender = {
  name: 'Subject and arrays',
  open: (row) => {
    const events$ = new Subject<LifecycleEvent>();
    let dropped = 0;
    for (let index = 0; index < Number(row); index += 1) {
      const queue: LifecycleEvent[] = [];
      events$.subscribe((event) => {
        if (queue.length < capacity) queue.push(event);
        else dropped += 1;
      });
    }
    const publish = (event: LifecycleEvent): void => {
      events$.next(event);
    };
    return stage(row, publish, () => dropped);
  },
};

const effect: Contender = {
  name: 'Effect dropping',
  open: (row) => {
    const shared = Effect.runSync(PubSub.dropping<LifecycleEvent>(capacity));
    const scope = Effect.runSync(Scope.make());
    for (let index = 0; index < Number(row); index += 1) {
      Effect.runSync(PubSub.subscribe(shared).pipe(Scope.provide(scope)));
    }
    let dropped = 0;
    const publish = (event: LifecycleEvent): void => {
      // One queue for all: what it refuses, everybody loses.
      if (!PubSub.publishUnsafe(shared, event)) dropped += Number(row);
    };
    return stage(row, publish, () => dropped);
  },
};

/** What one publish costs when nobody keeps up. */
export const stalled: Bench = {
  name: 'stalled',
  title: 'Publish to stalled consumers whose queues are full',
  unit: 'ns',
  rowsAre: 'consumers',
  rows,
  contenders: [ours, arrays, effect],
  goals: [
    {
      what: 'to 1,000, beside 1',
      of: { contender: ours.name, row: 1_000 },
      by: { contender: ours.name, row: 1 },
      atMost: 3,
    },
  ],
  about:
    'One publish to consumers whose work never ends, each with a full queue of 256 and the policy `dropNewest`. Effect has one queue for all, so that one stalled reader takes the events from all others too.',
};
