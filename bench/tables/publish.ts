import * as Effect from 'effect/Effect';
import * as PubSub from 'effect/PubSub';
import * as Scope from 'effect/Scope';
import Emittery from 'emittery';
import assert from 'node:assert/strict';
import { EventEmitter, on } from 'node:events';
import { createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { Subject } from 'rxjs';
import { eventsOf } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { timed } from '../harness/timed.js';

const rows = [1, 10, 100, 1_000, 10_000];
const burst = 64;

type Listener = (event: LifecycleEvent) => void;

/** What the subscribers of one contender received together. */
interface Received {
  count: number;
}

/** A stage where so many subscribers are told by `publish`, within the call. */
function stage(
  row: Row,
  prepare: (listeners: readonly Listener[]) => {
    readonly publish: Listener;
    /** Waits until all that was published has been received, where that takes turns. */
    readonly settled?: (received: number) => Promise<void>;
    readonly close?: () => Promise<void>;
  },
): Session {
  const subscribers = Number(row);
  const received: Received = { count: 0 };
  const listeners = Array.from({ length: subscribers }, (): Listener => {
    let last = 0;
    return ({ sequence }) => {
      last = sequence;
      received.count += last > 0 ? 1 : 0;
    };
  });
  const { publish, settled, close } = prepare(listeners);
  const events = eventsOf('published', burst);
  let published = 0;

  const publishBurst = (size: number): void => {
    for (let index = 0; index < size; index += 1) publish(events[index] as LifecycleEvent);
    published += size;
  };

  const run = (times: number): void => {
    for (let left = times; left > 0; left -= burst) publishBurst(Math.min(left, burst));
  };

  const runInTurns = async (times: number): Promise<void> => {
    for (let left = times; left > 0; left -= burst) {
      publishBurst(Math.min(left, burst));
      await settled?.(published * subscribers);
    }
  };

  return timed({
    check: async () => {
      await runInTurns(3);
      assert.equal(received.count, 3 * subscribers, 'everybody is told of every event');
    },
    run: settled === undefined ? run : runInTurns,
    ...(close === undefined ? {} : { close }),
  });
}

const ours: Contender = {
  name: 'ours',
  open: (row) =>
    stage(row, (listeners) => {
      const bus = createLifecycleBus();
      for (const listener of listeners) bus.events('bench').subscribe(listener);
      return { publish: bus.publish };
    }),
};

const subject: Contender = {
  name: 'Subject',
  open: (row) =>
    stage(row, (listeners) => {
      const subject$ = new Subject<LifecycleEvent>();
      for (const listener of listeners) subject$.subscribe(listener);
      return {
        publish: (event) => {
          subject$.next(event);
        },
      };
    }),
};

const floor: Contender = {
  name: 'loop of calls',
  open: (row) =>
    stage(row, (listeners) => ({
      publish: (event) => {
        for (const listener of listeners) listener(event);
      },
    })),
};

const emitter: Contender = {
  name: 'EventEmitter',
  open: (row) =>
    stage(row, (listeners) => {
      const told = new EventEmitter().setMaxListeners(0);
      for (const listener of listeners) told.on('event', listener);
      return { publish: (event) => told.emit('event', event) };
    }),
};

const eventsOn: Contender = {
  name: 'events.on',
  upTo: 1_000,
  open: (row) =>
    stage(row, (listeners) => {
      const told = new EventEmitter().setMaxListeners(0);
      const reading = listeners.map(async (listener) => {
        for await (const [event] of on(told, 'event', { close: ['end'] })) listener(event as LifecycleEvent);
      });
      return {
        publish: (event) => told.emit('event', event),
        settled: turns,
        close: async () => {
          told.emit('end');
          await Promise.all(reading);
        },
      };
    }),
};

const emittery: Contender = {
  name: 'emittery',
  upTo: 1_000,
  open: (row) =>
    stage(row, (listeners) => {
      const told = new Emittery<{ event: LifecycleEvent }>();
      for (const listener of listeners) told.on('event', listener);
      const emits: Promise<void>[] = [];
      return {
        publish: (event) => {
          emits.push(told.emit('event', event));
        },
        settled: async () => {
          await Promise.all(emits.splice(0));
        },
      };
    }),
};

const effect: Contender = {
  name: 'Effect PubSub',
  upTo: 1_000,
  open: (row) =>
    stage(row, (listeners) => {
      const shared = Effect.runSync(PubSub.unbounded<LifecycleEvent>());
      const scope = Effect.runSync(Scope.make());
      const subscriptions = listeners.map((listener) => ({
        listener,
        subscription: Effect.runSync(PubSub.subscribe(shared).pipe(Scope.provide(scope))),
      }));
      return {
        publish: (event) => {
          PubSub.publishUnsafe(shared, event);
        },
        // The cheapest way there is: everything that waits, at once.
        settled: () => {
          for (const { listener, subscription } of subscriptions) {
            Effect.runSync(PubSub.takeAll(subscription)).forEach(listener);
          }
          return Promise.resolve();
        },
      };
    }),
};

/** Lets what waits in promises run. */
const turns = (): Promise<void> => new Promise((turn) => setImmediate(turn));

/** What one publish costs, by the number of plain subscribers. */
export const publish: Bench = {
  name: 'publish',
  title: 'Publish to plain subscribers',
  unit: 'ns',
  rowsAre: 'subscribers',
  rows,
  contenders: [ours, subject, floor, emitter, eventsOn, emittery, effect],
  goals: rows.flatMap((row) => [
    {
      what: `to ${row.toLocaleString('en')}, beside a Subject`,
      of: { contender: ours.name, row },
      by: { contender: subject.name, row },
      atMost: 1,
    },
    {
      what: `to ${row.toLocaleString('en')}, beside a loop of calls`,
      of: { contender: ours.name, row },
      by: { contender: floor.name, row },
      atMost: 1.5,
    },
  ]),
  about:
    'One publish until every subscriber has been told, in bursts of 64. `events.on` is read with `for await`, Effect with `takeAll` after each burst, which is its fastest form; emittery is awaited.',
};
