import Emittery from 'emittery';
import assert from 'node:assert/strict';
import { EventEmitter, on } from 'node:events';
import { createLifecycleBus, type LifecycleEvent } from 'rx-instances';
import { eventsOf } from '../events.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { timed } from '../harness/timed.js';

const inBursts = 'in bursts of 128';
const oneByOne = 'one by one';
const rows = [inBursts, oneByOne];
const million = 1_000_000;
const events = eventsOf('read', 128);

/** A stream that can be written and read. */
interface Channel {
  publish(event: LifecycleEvent): void;
  events(): AsyncIterable<LifecycleEvent>;
}

/** Reads with `for await`, and publishes anew whenever all has been read. */
function stage(row: Row, open: () => Channel, times?: number): Session {
  const burst = row === inBursts ? events.length : 1;

  const read = async (count: number): Promise<number> => {
    const { publish, events: told } = open();
    const publishBurst = (): void => {
      for (let index = 0; index < burst; index += 1) publish(events[index] as LifecycleEvent);
    };
    // Made before the first publish, so that it misses nothing.
    const iterator = told()[Symbol.asyncIterator]();
    publishBurst();
    let seen = 0;
    let sum = 0;
    for await (const { sequence } of { [Symbol.asyncIterator]: () => iterator }) {
      sum += sequence;
      seen += 1;
      if (seen === count) break;
      if (seen % burst === 0) publishBurst();
    }
    return sum;
  };

  const sumOf = (count: number): number => (count / burst) * ((burst * (burst + 1)) / 2);

  return timed({
    check: async () => {
      assert.equal(await read(events.length * 8), sumOf(events.length * 8), 'every event is read once');
    },
    run: async (count) => {
      await read(count);
    },
    ...(times === undefined ? {} : { times }),
  });
}

const ours: Contender = {
  name: 'ours',
  open: (row) =>
    stage(
      row,
      () => {
        const bus = createLifecycleBus();
        return { publish: bus.publish, events: () => bus.iterate('bench') };
      },
      million,
    ),
};

// Nothing is awaited in it: it is what `for await` itself costs.
// eslint-disable-next-line @typescript-eslint/require-await
async function* endless(burst: number): AsyncGenerator<LifecycleEvent> {
  for (let index = 0; ; index += 1) yield events[index % burst] as LifecycleEvent;
}

const generator: Contender = {
  name: 'async generator',
  open: (row) =>
    stage(
      row,
      () => ({
        publish: () => undefined,
        events: () => endless(row === inBursts ? events.length : 1),
      }),
      million,
    ),
};

const eventsOn: Contender = {
  name: 'events.on',
  open: (row) =>
    stage(row, () => {
      const emitter = new EventEmitter();
      return {
        publish: (event) => emitter.emit('event', event),
        events: () => values(on(emitter, 'event')),
      };
    }),
};

/** `events.on` gives the arguments of each emit. It is asked for its values without a generator between. */
const values = (args: AsyncIterableIterator<unknown[]>): AsyncIterable<LifecycleEvent> => ({
  [Symbol.asyncIterator]: () => ({
    next: async () => {
      const { value } = (await args.next()) as IteratorYieldResult<[LifecycleEvent]>;
      return { done: false, value: value[0] };
    },
    return: async () => {
      await args.return?.();
      return { done: true, value: undefined };
    },
  }),
});

const emittery: Contender = {
  name: 'emittery',
  open: (row) =>
    stage(row, () => {
      const emitter = new Emittery<{ event: LifecycleEvent }>();
      return {
        publish: (event) => void emitter.emit('event', event),
        events: () => emitter.events('event'),
      };
    }),
};

/** What one event costs that is read with `for await`. */
export const iterate: Bench = {
  name: 'iterate',
  title: 'Read events with for await',
  unit: 'ns',
  rowsAre: '',
  rows,
  contenders: [ours, generator, eventsOn, emittery],
  goals: rows.map((row) => ({
    what: `${row}, beside a bare async generator`,
    of: { contender: ours.name, row },
    by: { contender: generator.name, row },
    atMost: 2,
  })),
  about:
    'One event of a million (fewer of the slower peers) from its publish until `for await` has it; whenever all has been read, the reader publishes anew. The generator publishes nothing: it is what `for await` itself costs.',
};
