import * as fc from 'fast-check';
import { map, type Observable, of, timer, VirtualTimeScheduler } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Lag, Overflow } from '../../src/streams/buffering.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';

/** An event: how long after the one before it comes, how long the work on it takes (0: none), of what, and whether a delete. */
const sent = fc.record({
  gap: fc.integer({ min: 0, max: 4 }),
  takes: fc.integer({ min: 0, max: 9 }),
  id: fc.constantFrom('a', 'b', 'c'),
  isDelete: fc.boolean(),
});

const overflow = fc.constantFrom<Overflow>('dropNewest', 'dropOldest', 'latest');
const capacity = fc.integer({ min: 1, max: 6 });
const concurrency = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Infinity));

/** The events of sequences 0, 1, …, as they were drawn. */
const eventsOf = (
  values: readonly { readonly id: string; readonly isDelete: boolean }[],
): readonly LifecycleEvent[] =>
  values.map(({ id, isDelete }, sequence) => (isDelete ? aDelete(sequence, id) : anUpdate(sequence, { id })));

/** First and last sequence, and how many: of a lag, or of one event. */
type Span = readonly [first: number, last: number, count: number];

const spanOf = ({ missed, from, to }: Lag<LifecycleEvent>): Span => [from.sequence, to.sequence, missed];

/** Events and lags are, one after another, all that was sent from 0 on. */
const expectAll = (told: readonly Span[], count: number): void => {
  let next = 0;
  for (const [first, last, missed] of told) {
    expect([first, last]).toEqual([next, next + missed - 1]);
    next += missed;
  }
  expect(next).toBe(count);
};

const droppedBy = (bus: LifecycleBus): number =>
  Object.values(bus.stats()['app']?.dropped ?? {}).reduce((sum, count) => sum + count, 0);

const lostIn = (told: readonly Span[], seen: readonly unknown[]): number =>
  told.reduce((sum, [, , count]) => sum + count, 0) - seen.length;

/** With `latest`: what was seen of each instance ends in what is true of it, and has its deletes. */
const expectTrueEnds = (events: readonly LifecycleEvent[], seen: readonly LifecycleEvent[]): void => {
  for (const id of ['a', 'b', 'c']) {
    const of = (some: readonly LifecycleEvent[]) => some.filter(({ instanceId }) => instanceId === id);
    const deletes = (some: readonly LifecycleEvent[]) => of(some).filter(({ action }) => action === 'delete');
    expect(of(seen).at(-1)).toBe(of(events).at(-1));
    expect(deletes(seen)).toEqual(deletes(events));
  }
};

test('consume: events worked on and events told as lost are all events in order, whatever the timing', () => {
  fc.assert(
    fc.property(
      fc.array(sent, { maxLength: 60 }),
      overflow,
      capacity,
      concurrency,
      (values, overflow, capacity, concurrency) => {
        const scheduler = new VirtualTimeScheduler();
        const bus = createLifecycleBus();
        const events = eventsOf(values);
        const told: Span[] = [];
        const seen: LifecycleEvent[] = [];
        const results: number[] = [];
        let end: unknown;
        const project = (event: LifecycleEvent): Observable<number> => {
          const { sequence } = event;
          told.push([sequence, sequence, 1]);
          seen.push(event);
          const takes = values[sequence]?.takes ?? 0;
          return takes === 0 ? of(sequence) : timer(takes, scheduler).pipe(map(() => sequence));
        };
        bus
          .consume('app', project, {
            overflow,
            capacity,
            concurrency,
            onLag: (lag) => told.push(spanOf(lag)),
          })
          .subscribe({
            next: (sequence) => results.push(sequence),
            complete: () => {
              end = 'complete';
            },
          });
        let time = 0;
        for (const event of events) {
          time += values[event.sequence]?.gap ?? 0;
          scheduler.schedule(() => {
            bus.publish(event);
          }, time);
        }
        scheduler.schedule(() => {
          bus.close();
        }, time);
        scheduler.flush();

        expectAll(told, events.length);
        expect(results.sort((one, other) => one - other)).toEqual(seen.map(({ sequence }) => sequence));
        expect([end, droppedBy(bus)]).toEqual(['complete', lostIn(told, seen)]);
        if (overflow === 'latest') expectTrueEnds(events, seen);
      },
    ),
    { numRuns: 300 },
  );
});

test('iterate: events read and events told as lost are all events in order, whoever waits', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(sent, fc.constant('read' as const)), { maxLength: 60 }),
      overflow,
      capacity,
      async (steps, overflow, capacity) => {
        const bus = createLifecycleBus();
        const events = eventsOf(steps.filter((step) => step !== 'read'));
        const told: Span[] = [];
        const seen: LifecycleEvent[] = [];
        const iterator = bus
          .iterate('app', { overflow, capacity, onLag: (lag) => told.push(spanOf(lag)) })
          [Symbol.asyncIterator]();
        const read = async (): Promise<boolean> => {
          const result = await iterator.next();
          if (result.done !== true) seen.push(result.value);
          return result.done === true;
        };
        const reads: Promise<boolean>[] = [];
        let next = 0;
        for (const step of steps) {
          if (step === 'read') {
            // Some reads are waited for and some are not, so that several readers wait at a time.
            if (reads.push(read()) % 2 === 0) await Promise.resolve();
          } else {
            const event = events[next++];
            if (event !== undefined) bus.publish(event);
          }
        }
        bus.close();
        await Promise.all(reads);
        while (!(await read()));

        const bySequence = [...told, ...seen.map(({ sequence }): Span => [sequence, sequence, 1])];
        expectAll(
          bySequence.sort(([one], [other]) => one - other),
          events.length,
        );
        expect(seen.map(({ sequence }) => sequence)).toEqual(
          seen.map(({ sequence }) => sequence).sort((one, other) => one - other),
        );
        expect(droppedBy(bus)).toBe(events.length - seen.length);
        if (overflow === 'latest') expectTrueEnds(events, seen);
      },
    ),
    { numRuns: 300 },
  );
});

test('a subscriber sees what it would see alone, whoever else is there', () => {
  const one = fc.record({ overflow, capacity, concurrency, takes: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(
      fc.array(sent, { maxLength: 40 }),
      fc.array(one, { minLength: 2, maxLength: 4 }),
      (values, subscribers) => {
        const run = (present: typeof subscribers): readonly (readonly string[])[] => {
          const scheduler = new VirtualTimeScheduler();
          const bus = createLifecycleBus();
          const logs = present.map(({ takes, ...buffering }) => {
            const log: string[] = [];
            const project = ({ sequence }: LifecycleEvent): Observable<number> => {
              log.push(`${String(scheduler.frame)}: ${String(sequence)}`);
              return takes === 0 ? of(sequence) : timer(takes, scheduler).pipe(map(() => sequence));
            };
            const onLag = (lag: Lag<LifecycleEvent>): void => {
              log.push(`${String(scheduler.frame)}: lost ${spanOf(lag).join(' ')}`);
            };
            bus.consume('app', project, { ...buffering, onLag }).subscribe();
            return log;
          });
          let time = 0;
          for (const event of eventsOf(values)) {
            time += values[event.sequence]?.gap ?? 0;
            scheduler.schedule(() => {
              bus.publish(event);
            }, time);
          }
          scheduler.flush();
          return logs;
        };
        expect(run(subscribers)).toEqual(subscribers.flatMap((subscriber) => run([subscriber])));
      },
    ),
    { numRuns: 200 },
  );
});

/** What a subscriber does on hearing an event of this sequence, once. */
type Deed =
  | { readonly kind: 'publish'; readonly id: string }
  | { readonly kind: 'join'; readonly id: string | undefined }
  | { readonly kind: 'leave' | 'throw' };

const id = fc.constantFrom('a', 'b');
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ kind: fc.constant('publish' as const), id }),
  fc.record({ kind: fc.constant('join' as const), id: fc.option(id, { nil: undefined }) }),
  fc.record({ kind: fc.constantFrom('leave' as const, 'throw' as const) }),
);

test('plain subscribers hear the events in their order without a gap, whatever they do on hearing them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(deed, { maxLength: 4 }), { minLength: 1, maxLength: 8 }),
      fc.array(id, { minLength: 1, maxLength: 12 }),
      (subscribers, ids) => {
        const bus = createLifecycleBus({ onThrow: () => undefined });
        const published: LifecycleEvent[] = [];
        const publish = (instanceId: string): void => {
          if (published.length >= 60) return;
          const event = anUpdate(published.length + 1, { id: instanceId });
          published.push(event);
          bus.publish(event);
        };
        const logs: {
          readonly id: string | undefined;
          readonly heard: number[];
          readonly since: number;
          left: boolean;
        }[] = [];
        let last = 0;
        const join = (instanceId: string | undefined, deeds: readonly Deed[]): void => {
          const log = { id: instanceId, heard: [] as number[], since: last, left: false };
          logs.push(log);
          const todo = [...deeds];
          const subscription = bus
            .events('app', instanceId === undefined ? {} : { instanceId })
            .subscribe(({ sequence }) => {
              last = sequence;
              log.heard.push(sequence);
              const next = todo.shift();
              switch (next?.kind) {
                case undefined:
                  return;
                case 'publish':
                  publish(next.id);
                  return;
                case 'join':
                  join(next.id, []);
                  return;
                case 'leave':
                  log.left = true;
                  subscription.unsubscribe();
                  return;
                case 'throw':
                  log.left = true;
                  throw new Error('of the subscriber');
              }
            });
        };
        subscribers.forEach((deeds, index) => {
          join([undefined, 'a', 'b'][index % 3], deeds);
        });
        ids.forEach(publish);
        for (const log of logs) {
          const concerning = published
            .filter(
              ({ instanceId, sequence }) =>
                (log.id === undefined || instanceId === log.id) && sequence > log.since,
            )
            .map(({ sequence }) => sequence);
          expect(log.heard).toEqual(log.left ? concerning.slice(0, log.heard.length) : concerning);
        }
      },
    ),
    { numRuns: 500 },
  );
});
