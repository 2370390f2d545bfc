import fc from 'fast-check';
import { EMPTY, type Observable, timer } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import { createLoggedBus, numbers } from '../support/loggedBus.js';
import { marbles } from '../support/marbles.js';
import { thrownBy } from '../support/thrownBy.js';

const nothing = (): Observable<never> => EMPTY;

const after = { epoch: 'e', sequence: 3 };

describe('after a place', () => {
  test('consume begins with what the log has, and goes over to live', () => {
    marbles(({ flush }) => {
      const { bus, publish } = createLoggedBus({ before: 5 });
      const seen: number[] = [];
      bus
        .consume(
          'app',
          ({ sequence }) => {
            seen.push(sequence);
            return EMPTY;
          },
          { after },
        )
        .subscribe();
      flush();
      publish(2);
      expect(seen).toEqual([4, 5, 6, 7]);
    });
  });

  test('each iteration begins there', async () => {
    const { bus, publish } = createLoggedBus({ before: 5 });
    const events = bus.iterate('app', { after });
    const read = async (): Promise<number[]> => {
      const seen: number[] = [];
      for await (const { sequence } of events) {
        seen.push(sequence);
        if (sequence === 5) publish();
        if (seen.length === 3) break;
      }
      return seen;
    };
    expect(await read()).toEqual([4, 5, 6]);
    expect(await read()).toEqual([4, 5, 6]);
  });

  test('a reader that stalls holds no more than its queue, and loses nothing', async () => {
    const { bus, publish } = createLoggedBus({ before: 100 });
    const reader = bus.iterate('http', { after, capacity: 10, overflow: 'resume' })[Symbol.asyncIterator]();
    const read = async (): Promise<number | undefined> => {
      const { value } = (await reader.next()) as IteratorResult<LifecycleEvent, undefined>;
      return value?.sequence;
    };
    const seen = [await read()];
    publish(2_000);
    expect(bus.stats()['http']?.highWater).toBeLessThanOrEqual(10);
    while (seen.at(-1) !== 2_100) seen.push(await read());
    expect(seen).toEqual(numbers(4, 2_100));
    await reader.return?.();
  });

  test('a place that the log has lost is told', () => {
    const seen: unknown[] = [];
    createLoggedBus({ before: 9, keeps: 3 })
      .bus.consume('app', nothing, { after })
      .subscribe({ error: (error: unknown) => seen.push((error as { _tag: string })._tag) });
    expect(seen).toEqual(['CursorExpired']);
  });

  test('nothing is lost or doubled over the seam, whatever happens meanwhile', () => {
    fc.assert(
      fc.property(
        fc.record({
          before: fc.nat(80),
          place: fc.nat(80),
          capacity: fc.integer({ min: 1, max: 5 }),
          concurrency: fc.integer({ min: 1, max: 3 }),
          isSlow: fc.boolean(),
          bursts: fc.array(fc.tuple(fc.nat(4), fc.nat(90)), { maxLength: 12 }),
          works: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
        }),
        ({ before, place, capacity, concurrency, isSlow, bursts, works }) => {
          marbles(({ flush }) => {
            const { bus, publish } = createLoggedBus({ before, isSlow });
            const sequence = Math.min(place, before);
            const seen: number[] = [];
            const project = (event: { readonly sequence: number }) => {
              seen.push(event.sequence);
              const work = works[event.sequence % works.length] ?? 0;
              return work === 0 ? EMPTY : timer(work);
            };
            bus
              .consume('app', project, { after: { epoch: 'e', sequence }, capacity, concurrency })
              .subscribe();
            let total = before;
            for (const [wait, count] of bursts) {
              total += count;
              timer(wait * 7).subscribe(() => {
                publish(count);
              });
            }
            flush();
            expect(seen).toEqual(numbers(sequence + 1, total));
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  test.each([
    [{ after: 3 }, 'after: found 3, expected a cursor (an event, or the epoch and sequence of one)'],
    [
      { after, overflow: 'latest' },
      "overflow: found 'latest', expected resume or nothing, since it goes on after a place",
    ],
    [{ after, durable: true }, 'expected nothing: who consumes durably goes on where it was'],
  ])('options such as %j are refused', (options, message) => {
    const { bus } = createLoggedBus();
    expect(String(thrownBy(() => bus.consume('app', nothing, options as never)))).toContain(message);
  });

  test('a bus without a log refuses it', () => {
    const bus = createLifecycleBus();
    const message = 'expected nothing: there is no log to read from';
    expect(String(thrownBy(() => bus.consume('app', nothing, { after })))).toContain(message);
    expect(String(thrownBy(() => bus.iterate('app', { after })))).toContain(message);
  });
});
