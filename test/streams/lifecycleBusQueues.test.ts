import { finalize, NEVER, type Observable, of, Subject } from 'rxjs';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Buffering, DropReason, Lag, Overflow } from '../../src/streams/buffering.js';
import { createLifecycleBus, type LifecycleBus } from '../../src/streams/lifecycleBus.js';
import type { TableView } from '../../src/streams/tableThenChanges.js';
import { hear } from '../support/hear.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';
import { marbles } from '../support/marbles.js';
import { thrownBy } from '../support/thrownBy.js';

const nothingDropped = { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 };
const idle = {
  subscribers: 0,
  maxQueueDepth: 0,
  highWater: 0,
  dropped: nothingDropped,
  lagged: 0,
  resumed: 0,
  thrown: 0,
};

/** Publishes updates of `a` and `b` in turn; the sequence says which: odd ones are of `a`. */
const publish = (bus: LifecycleBus, from: number, to: number): void => {
  for (let sequence = from; sequence <= to; sequence += 1) {
    bus.publish(anUpdate(sequence, { id: sequence % 2 === 1 ? 'a' : 'b' }));
  }
};

/** Notes values and lags in their order. */
const notes = () => {
  const told: unknown[] = [];
  const onLag = ({ missed, from, to }: Lag<LifecycleEvent>): void => {
    told.push(`lost ${String(from.sequence)}..${String(to.sequence)} (${String(missed)})`);
  };
  return { told, onLag };
};

const emptyTable = (): Observable<TableView> => of({ epoch: 'e', sequence: 0, instances: [] });

/** What comes of 1 to 6 and what is dropped, with room for two. */
const policies: readonly (readonly [Overflow, readonly unknown[], readonly unknown[], DropReason])[] = [
  ['dropNewest', [1, 2, 3, 'lost 4..6 (3)'], [1, 2, 'lost 3..6 (4)'], 'buffer_full'],
  ['dropOldest', [1, 'lost 2..4 (3)', 5, 6], ['lost 1..4 (4)', 5, 6], 'overwritten'],
  ['latest', [1, 'lost 2..4 (3)', 5, 6], ['lost 1..4 (4)', 5, 6], 'folded'],
];

describe('consume', () => {
  test.each(policies)('does the work that its policy keeps: %s', (overflow, expected, _, reason) => {
    const bus = createLifecycleBus();
    const gate$ = new Subject<number>();
    const { told, onLag } = notes();
    bus
      .consume('app', ({ sequence }) => (sequence === 1 ? gate$ : of(sequence)), {
        capacity: 2,
        overflow,
        onLag,
      })
      .subscribe((sequence) => told.push(sequence));
    publish(bus, 1, 6);
    const dropped = { ...nothingDropped, [reason]: 3 };
    expect(bus.stats()['app']).toEqual({ ...idle, subscribers: 1, maxQueueDepth: 2, highWater: 2, dropped });
    gate$.next(1);
    gate$.complete();
    expect(told).toEqual(expected);
    expect(bus.stats()['app']).toEqual({ ...idle, subscribers: 1, highWater: 2, dropped, lagged: 1 });
  });

  test('fails with its policy to fail, leaves the bus and counts all that was lost', () => {
    const bus = createLifecycleBus();
    const failures: unknown[] = [];
    const stopped = jest.fn();
    bus
      .consume('app', () => NEVER.pipe(finalize(stopped)), { capacity: 2, overflow: 'fail' })
      .subscribe({ error: (error: unknown) => failures.push(error) });
    publish(bus, 1, 6);
    expect(failures).toMatchObject([{ _tag: 'SubscriberLagged', capacity: 2, missed: 3 }]);
    expect(stopped).toHaveBeenCalledTimes(1);
    expect(bus.stats()['app']).toEqual({ ...idle, highWater: 2, dropped: { ...nothingDropped, failed: 3 } });
  });

  test('never folds a delete away with latest, nor what comes after it', () => {
    const bus = createLifecycleBus();
    const gate$ = new Subject<number>();
    const { told, onLag } = notes();
    bus
      .consume('app', ({ sequence }) => (sequence === 0 ? gate$ : of(sequence)), {
        capacity: 1,
        overflow: 'latest',
        onLag,
      })
      .subscribe((sequence) => told.push(sequence));
    for (const event of [0, 1, 2].map((sequence) => anUpdate(sequence))) bus.publish(event);
    bus.publish(aDelete(3));
    for (const event of [4, 5].map((sequence) => anUpdate(sequence))) bus.publish(event);
    gate$.complete();
    expect(told).toEqual(['lost 1..2 (2)', 3, 'lost 4..4 (1)', 5]);
  });

  test('does as much at a time as it may, and passes the index', () => {
    const bus = createLifecycleBus();
    const begun: (readonly [number, number])[] = [];
    const project = ({ sequence }: LifecycleEvent, index: number): Observable<never> => {
      begun.push([sequence, index]);
      return NEVER;
    };
    const work = bus.consume('app', project, { concurrency: 2 }).subscribe();
    publish(bus, 4, 7);
    expect(begun).toEqual([
      [4, 0],
      [5, 1],
    ]);
    expect(bus.stats()['app']).toMatchObject({ maxQueueDepth: 2 });
    work.unsubscribe();
    expect(bus.stats()['app']).toEqual({ ...idle, highWater: 2 });
  });

  test('has a queue for each subscribe, whoever else is slow', () => {
    const bus = createLifecycleBus({ capacity: 1 });
    const heard: number[] = [];
    bus.consume('slow', () => NEVER).subscribe();
    bus.consume('app', ({ sequence }) => of(sequence)).subscribe((sequence) => heard.push(sequence));
    publish(bus, 1, 4);
    expect(heard).toEqual([1, 2, 3, 4]);
    expect(bus.stats()).toMatchObject({
      slow: { dropped: { buffer_full: 2 } },
      app: { dropped: nothingDropped, highWater: 0 },
    });
  });

  test('works on what it publishes itself, in order', () => {
    const bus = createLifecycleBus();
    const worked: number[] = [];
    const plain = hear(bus);
    bus
      .consume('app', ({ sequence }) => {
        if (sequence < 3) publish(bus, sequence + 1, sequence + 1);
        return of(sequence);
      })
      .subscribe((sequence) => worked.push(sequence));
    publish(bus, 1, 1);
    expect([worked, plain.heard]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });
});

describe('iterate', () => {
  const open = (bus: LifecycleBus, buffering: Buffering<LifecycleEvent>) => {
    const iterator = bus.iterate('app', buffering)[Symbol.asyncIterator]();
    return {
      iterator,
      read: async (): Promise<unknown> => {
        const result = await iterator.next();
        return result.done === true ? 'done' : result.value.sequence;
      },
    };
  };

  test.each(policies)('reads what its policy keeps: %s', async (overflow, _, expected, reason) => {
    const bus = createLifecycleBus();
    const { told, onLag } = notes();
    const { read } = open(bus, { capacity: 2, overflow, onLag });
    publish(bus, 1, 6);
    const dropped = { ...nothingDropped, [reason]: 4 };
    expect(bus.stats()['app']).toEqual({ ...idle, subscribers: 1, maxQueueDepth: 2, highWater: 2, dropped });
    bus.close();
    for (let next = await read(); next !== 'done'; next = await read()) told.push(next);
    expect(told).toEqual(expected);
    expect(bus.stats()['app']).toEqual({ ...idle, highWater: 2, dropped, lagged: 1 });
  });

  test('fails with its policy to fail, and leaves the bus', async () => {
    const bus = createLifecycleBus();
    const { read } = open(bus, { capacity: 2, overflow: 'fail' });
    publish(bus, 1, 6);
    expect(bus.stats()['app']).toEqual({ ...idle, highWater: 2, dropped: { ...nothingDropped, failed: 3 } });
    await expect(read()).rejects.toMatchObject({ _tag: 'SubscriberLagged', capacity: 2, missed: 3 });
    expect(await read()).toBe('done');
  });

  test('leaves the bus when the loop is left', async () => {
    const bus = createLifecycleBus();
    const events = bus.iterate('app');
    expect(bus.stats()['app']).toEqual(idle);
    const loop = (async () => {
      for await (const { sequence } of events) if (sequence === 2) break;
    })();
    expect(bus.stats()['app']).toMatchObject({ subscribers: 1 });
    publish(bus, 1, 3);
    await loop;
    expect(bus.stats()['app']).toMatchObject({ subscribers: 0, maxQueueDepth: 0 });
  });
});

describe('watch', () => {
  test('tells the table, then changes; a lag is counted, told, and made good', () => {
    marbles(({ flush }) => {
      const bus = createLifecycleBus();
      const { told, onLag } = notes();
      let sequence = 0;
      const read = (): Observable<TableView> => of({ epoch: 'e', sequence, instances: [] });
      const subscription = bus.watch('app', read, { capacity: 2, onLag }).subscribe((change) => {
        told.push('event' in change ? change.event.sequence : 'all');
      });
      sequence = 4;
      publish(bus, 1, 4);
      expect(bus.stats()['app']).toMatchObject({
        subscribers: 1,
        maxQueueDepth: 2,
        dropped: { buffer_full: 2 },
      });
      flush();
      expect(told).toEqual(['all', 1, 2, 'lost 3..4 (2)', 'all']);
      subscription.unsubscribe();
      expect(bus.stats()['app']).toEqual({
        ...idle,
        highWater: 2,
        lagged: 1,
        dropped: { ...nothingDropped, buffer_full: 2 },
      });
    });
  });

  test('ends with the bus, after what waits', () => {
    marbles(({ flush }) => {
      const bus = createLifecycleBus();
      const told: unknown[] = [];
      bus
        .watch('app', emptyTable)
        .subscribe({ next: ({ kind }) => told.push(kind), complete: () => told.push('end') });
      publish(bus, 1, 1);
      bus.close();
      flush();
      expect(told).toEqual(['snapshot', 'upsert', 'end']);
    });
  });

  test('whose subscriber throws is counted, and hurts nobody else', () => {
    marbles(({ flush }) => {
      const thrown: unknown[] = [];
      const bus = createLifecycleBus({ onThrow: (_, error) => thrown.push(String(error)) });
      bus.watch('bad', emptyTable).subscribe(({ kind }) => {
        if (kind === 'upsert') throw new Error('of the subscriber');
      });
      const good = hear(bus);
      publish(bus, 1, 2);
      flush();
      publish(bus, 3, 3);
      expect([thrown, good.heard]).toEqual([['Error: of the subscriber'], [1, 2, 3]]);
      expect(bus.stats()['bad']).toMatchObject({ subscribers: 0, thrown: 1 });
    });
  });
});

describe('the capacity', () => {
  const full = (bus: LifecycleBus, buffering: Buffering<LifecycleEvent> = {}): unknown => {
    void bus.iterate('app', buffering)[Symbol.asyncIterator]();
    bus.consume('app', () => NEVER, buffering).subscribe();
    publish(bus, 1, 300);
    const { highWater, dropped } = bus.stats()['app'] ?? {};
    return [highWater, dropped?.buffer_full];
  };

  test('is 256, unless the bus says something else, unless the subscriber does', () => {
    expect(full(createLifecycleBus())).toEqual([256, 44 + 43]);
    expect(full(createLifecycleBus({ capacity: 10 }))).toEqual([10, 290 + 289]);
    expect(full(createLifecycleBus({ capacity: 10 }), { capacity: 3 })).toEqual([3, 297 + 296]);
  });

  test.each([0, -1, NaN, 1.5, Infinity, 2 ** 24 + 1, '3', null])(
    'is refused at once when it is %p',
    (capacity) => {
      const bus = createLifecycleBus();
      const buffering = { capacity } as object;
      const refusal = { _tag: 'InvalidRequest', faults: [{ path: 'capacity' }] };
      expect(thrownBy(() => bus.consume('app', () => NEVER, buffering))).toMatchObject(refusal);
      expect(thrownBy(() => bus.iterate('app', buffering))).toMatchObject(refusal);
      expect(thrownBy(() => bus.watch('app', emptyTable, buffering))).toMatchObject(refusal);
    },
  );
});

test('a key of buffering that there is not is refused at once', () => {
  const bus = createLifecycleBus();
  const refused = (path: string) => ({ _tag: 'InvalidRequest', faults: [{ path }] });
  const unknown = { size: 3 } as object;
  expect(thrownBy(() => bus.consume('app', () => NEVER, unknown))).toMatchObject(refused('size'));
  expect(thrownBy(() => bus.iterate('app', unknown))).toMatchObject(refused('size'));
  expect(thrownBy(() => bus.watch('app', emptyTable, unknown))).toMatchObject(refused('size'));
  const wrong = { concurrency: 2, overflow: 'latest' } as const;
  expect(thrownBy(() => bus.iterate('app', wrong))).toMatchObject(refused('concurrency'));
  expect(thrownBy(() => bus.watch('app', emptyTable, { overflow: 'latest' } as object))).toMatchObject(
    refused('overflow'),
  );
});

test('work that is no function is refused at once', () => {
  expect(thrownBy(() => createLifecycleBus().consume('app', { next: 1 } as never))).toMatchObject({
    _tag: 'InvalidRequest',
    faults: [{ path: 'project', found: 'an object with next', expected: 'a function' }],
  });
});

describe('a consumer', () => {
  const doors: readonly (readonly [string, (bus: LifecycleBus, name: string) => unknown])[] = [
    ['events', (bus, name) => bus.events(name)],
    ['consume', (bus, name) => bus.consume(name, () => NEVER)],
    ['iterate', (bus, name) => bus.iterate(name)],
    ['watch', (bus, name) => bus.watch(name, emptyTable)],
  ];

  test('that is known is in the statistics from the beginning, at 0', () => {
    expect(createLifecycleBus({ consumers: ['http', 'metrics'] }).stats()).toEqual({
      http: idle,
      metrics: idle,
    });
    expect(createLifecycleBus().stats()).toEqual({});
  });

  test.each(doors)('is refused with a name that is none, at once, by %s', (_, call) => {
    const bus = createLifecycleBus();
    for (const name of ['', 'App', '1st', 'my-app', 'a'.repeat(65), '__proto__']) {
      expect(thrownBy(() => call(bus, name))).toMatchObject({ _tag: 'InvalidRequest' });
    }
    expect(Object.keys(bus.stats())).toEqual([]);
  });

  test.each(doors)('is refused as the 65th, at once, by %s', (_, call) => {
    const bus = createLifecycleBus();
    for (let count = Object.keys(bus.stats()).length; count < 64; count += 1)
      call(bus, `app_${String(count)}`);
    expect(thrownBy(() => call(bus, 'one_more'))).toMatchObject({
      _tag: 'TooManyConsumers',
      consumer: 'one_more',
      limit: 64,
    });
    call(bus, 'app_63');
    call(bus, 'app_0');
    expect(Object.keys(bus.stats())).toHaveLength(64);
  });

  test.each<[string, (bus: LifecycleBus, name: string) => unknown]>([
    ['events', (bus, name) => bus.events(name, { instanceId: 7 } as object)],
    ['consume', (bus, name) => bus.consume(name, () => NEVER, { capacity: 0 })],
    ['consume, for its work', (bus, name) => bus.consume(name, undefined as never)],
    ['iterate', (bus, name) => bus.iterate(name, { capacity: 0 })],
    ['watch', (bus, name) => bus.watch(name, emptyTable, { capacity: 0 })],
  ])('takes no place with what is refused: %s', (_, call) => {
    const bus = createLifecycleBus();
    expect(thrownBy(() => call(bus, 'app'))).toMatchObject({ _tag: 'InvalidRequest' });
    expect(Object.keys(bus.stats())).toEqual([]);
  });

  test('is refused the same on a bus that is closed', () => {
    const bus = createLifecycleBus();
    bus.close();
    expect(thrownBy(() => bus.events('No name'))).toMatchObject({ _tag: 'InvalidRequest' });
  });

  test('has the longest of its queues told, and the longest that any ever had', async () => {
    const bus = createLifecycleBus();
    const first = bus.iterate('app')[Symbol.asyncIterator]();
    publish(bus, 1, 3);
    const second = bus.iterate('app')[Symbol.asyncIterator]();
    publish(bus, 4, 5);
    const depths = (): unknown => {
      const { subscribers, maxQueueDepth, highWater } = bus.stats()['app'] ?? {};
      return [subscribers, maxQueueDepth, highWater];
    };
    expect(depths()).toEqual([2, 5, 5]);
    for (let count = 0; count < 4; count += 1) await first.next();
    expect(depths()).toEqual([2, 2, 5]);
    await first.return?.();
    expect(depths()).toEqual([1, 2, 5]);
    await second.return?.();
    expect(depths()).toEqual([0, 0, 5]);
  });
});
