import * as fc from 'fast-check';
import { EMPTY, Observable, of, range, Subject, throwError } from 'rxjs';
import { boundedIterable, iterateQueue } from '../../src/streams/boundedIterable.js';
import type { Buffering, Lag, Overflow } from '../../src/streams/buffering.js';
import { unpausable } from '../../src/streams/feed.js';
import { noRecorder } from '../../src/streams/queueRecorder.js';
import { queueSettings } from '../../src/streams/queueSettings.js';
import { thrownBy } from '../support/thrownBy.js';

const lagText = ({ missed, from, to }: Lag<number>): string =>
  `lost ${String(from)}..${String(to)} (${String(missed)})`;

const readAll = async <T>(iterable: AsyncIterable<T>): Promise<readonly T[]> => {
  const read: T[] = [];
  for await (const value of iterable) read.push(value);
  return read;
};

/** An iterator over a Subject, as a reader and its source. */
const open = (buffering: Buffering<number> = {}) => {
  const source$ = new Subject<number>();
  const iterator = boundedIterable(source$, buffering)[Symbol.asyncIterator]();
  return {
    source$,
    iterator,
    send: (...values: readonly number[]) => {
      for (const value of values) source$.next(value);
    },
    read: async (): Promise<unknown> => {
      const result = await iterator.next();
      return result.done === true ? 'done' : result.value;
    },
  };
};

describe('boundedIterable', () => {
  test('reads what came before the end, then ends', async () => {
    expect(await readAll(boundedIterable(of(1, 2, 3)))).toEqual([1, 2, 3]);
    expect(await readAll(boundedIterable(EMPTY))).toEqual([]);
  });

  test('reads what came before an error, then throws it, then ends', async () => {
    const failure = new Error('of the source');
    const { source$, send, read } = open();
    send(1, 2);
    source$.error(failure);
    expect([await read(), await read()]).toEqual([1, 2]);
    await expect(read()).rejects.toBe(failure);
    expect(await read()).toBe('done');
  });

  test('throws the error of a source that fails within subscribe', async () => {
    const failure = new Error('at once');
    await expect(readAll(boundedIterable(throwError(() => failure)))).rejects.toBe(failure);
  });

  test('throws an error that is undefined', async () => {
    const rejected = jest.fn();
    await readAll(boundedIterable(throwError((): unknown => undefined))).catch(rejected);
    expect(rejected).toHaveBeenCalledWith(undefined);
  });

  test('misses nothing between the making of the iterator and the first read', async () => {
    const { send, read } = open();
    send(1, 2);
    expect(await read()).toBe(1);
    send(3);
    expect([await read(), await read()]).toEqual([2, 3]);
  });

  test('gives values to readers that wait in the order in which they asked', async () => {
    const { source$, send, read } = open();
    const reads = [read(), read(), read(), read()];
    send(1, 2);
    source$.complete();
    expect(await Promise.all(reads)).toEqual([1, 2, 'done', 'done']);
  });

  test('tells an error to one reader of those that wait', async () => {
    const failure = new Error('of the source');
    const { source$, read } = open();
    const reads = [read(), read()];
    source$.error(failure);
    expect(await Promise.allSettled(reads)).toEqual([
      { status: 'rejected', reason: failure },
      { status: 'fulfilled', value: 'done' },
    ]);
  });

  test('subscribes for each iteration, and only then', () => {
    const subscribed = jest.fn();
    const iterable = boundedIterable(new Observable(subscribed));
    expect(subscribed).not.toHaveBeenCalled();
    iterable[Symbol.asyncIterator]();
    iterable[Symbol.asyncIterator]();
    expect(subscribed).toHaveBeenCalledTimes(2);
  });

  test('leaves its source when the loop is left, by break and by throw', async () => {
    const failure = new Error('of the loop');
    const source$ = new Subject<number>();
    const loop = async (leave: (value: number) => boolean): Promise<void> => {
      for await (const value of boundedIterable(source$)) if (leave(value)) break;
    };
    const left = loop(() => true);
    const thrown = loop(() => {
      throw failure;
    });
    source$.next(1);
    await left;
    await expect(thrown).rejects.toBe(failure);
    expect(source$.observed).toBe(false);
  });

  test('ends readers that wait, and gives nothing more, once it was returned', async () => {
    const { source$, iterator, send, read } = open();
    const reads = [read(), read()];
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await Promise.all(reads)).toEqual(['done', 'done']);
    expect(source$.observed).toBe(false);
    send(1);
    expect(await read()).toBe('done');
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
  });

  test('forgets what waits when it is returned', async () => {
    const { iterator, send, read } = open();
    send(1, 2);
    await iterator.return?.();
    expect(await read()).toBe('done');
  });

  test('leaves a source that emits within subscribe when the policy is to fail', async () => {
    let emitted = 0;
    const endless$ = new Observable<number>((subscriber) => {
      while (!subscriber.closed) subscriber.next(++emitted);
    });
    await expect(readAll(boundedIterable(endless$, { capacity: 2, overflow: 'fail' }))).rejects.toMatchObject(
      {
        _tag: 'SubscriberLagged',
        capacity: 2,
        missed: 3,
      },
    );
    expect(emitted).toBe(3);
  });

  test('gives nothing of an error that was not read, once it was returned', async () => {
    const { source$, iterator, read } = open();
    source$.error(new Error('of the source'));
    await iterator.return?.();
    expect(await read()).toBe('done');
  });

  test('lags with fail at the next read, and loses all that waits', async () => {
    const { source$, send, read } = open({ capacity: 2, overflow: 'fail' });
    send(1, 2, 3, 4);
    expect(source$.observed).toBe(false);
    await expect(read()).rejects.toMatchObject({ _tag: 'SubscriberLagged', missed: 3 });
    expect(await read()).toBe('done');
  });

  test('does not count a value that a reader waits for', async () => {
    const { send, read } = open({ capacity: 1, overflow: 'fail' });
    const reads = [read(), read()];
    send(1, 2, 3);
    expect(await Promise.all([...reads, read()])).toEqual([1, 2, 3]);
  });

  test('reads 100000 values without growing the stack', async () => {
    const read = await readAll(boundedIterable(range(0, 100_000), { capacity: 100_000 }));
    expect(read).toHaveLength(100_000);
  });

  test('tells of what was lost in its place among the values', async () => {
    const read: string[] = [];
    const onLag = (lag: Lag<number>): void => {
      read.push(lagText(lag));
    };
    for await (const value of boundedIterable(range(1, 5), { capacity: 2, onLag })) read.push(String(value));
    expect(read).toEqual(['1', '2', 'lost 3..5 (3)']);
  });

  test('is refused with buffering that cannot be understood', () => {
    const refusal = (buffering: object): unknown => thrownBy(() => boundedIterable(EMPTY, buffering));
    expect(refusal({ capacity: 0 })).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'capacity' }],
    });
    expect(refusal({ overflow: 'block' })).toMatchObject({ faults: [{ path: 'overflow' }] });
    expect(refusal({ concurrency: 2 })).toMatchObject({ faults: [{ path: 'concurrency' }] });
  });

  test('records the end of its queue when it ends, however it ends', async () => {
    const closed = jest.fn();
    const settings = queueSettings<number>({ capacity: 1, overflow: 'fail' });
    const recorder = { ...noRecorder, opened: () => closed };
    const iterate = (source$: Observable<number>): AsyncIterator<number> =>
      iterateQueue(() => ({ source: unpausable(source$), recorder }), settings)[Symbol.asyncIterator]();
    const calls = (end: () => void): number => {
      closed.mockClear();
      end();
      return closed.mock.calls.length;
    };
    expect(calls(() => iterate(EMPTY))).toBe(1);
    expect(calls(() => iterate(range(1, 2)))).toBe(1);
    const iterator = iterate(new Subject());
    expect(calls(() => void iterator.return?.())).toBe(1);
    await iterator.next();
  });
});

describe('a user function of an iterable', () => {
  const failure = new Error('of the user');
  const fail = (): never => {
    throw failure;
  };

  test.each<Buffering<number>>([
    { overflow: 'latest', keyOf: fail },
    { overflow: 'latest', endsKey: fail },
    { overflow: 'dropOldest', onLag: fail },
    { overflow: 'latest', onLag: fail },
  ])('that throws ends the iteration with that, and does not reach the sender: %p', async (buffering) => {
    const { source$, send, read } = open({ capacity: 1, ...buffering });
    send(1, 2, 3);
    await expect(read()).rejects.toBe(failure);
    expect(source$.observed).toBe(false);
    expect(await read()).toBe('done');
  });

  test('that throws on a loss after the last value leaves that value readable', async () => {
    const { source$, send, read } = open({ capacity: 1, onLag: fail });
    send(1, 2, 3);
    expect(await read()).toBe(1);
    await expect(read()).rejects.toBe(failure);
    expect(source$.observed).toBe(false);
  });

  test.each<Overflow>(['dropNewest', 'dropOldest', 'latest'])(
    'that makes the source emit loses nothing in silence, with %s',
    async (overflow) => {
      const told: unknown[] = [];
      const onLag = (lag: Lag<number>): void => {
        told.push(lagText(lag));
        if (told.length < 3) send(100, 101);
      };
      const { source$, send, read } = open({ capacity: 1, overflow, onLag });
      send(1, 2, 3);
      for (let index = 0; index < 2; index += 1) told.push(await read());
      source$.complete();
      for (let next = await read(); next !== 'done'; next = await read()) told.push(next);
      expect(told).toEqual(
        overflow === 'dropNewest'
          ? [1, 'lost 2..3 (2)', 100, 'lost 101..101 (1)']
          : ['lost 1..2 (2)', 3, 'lost 100..100 (1)', 101],
      );
    },
  );

  test('that reads on within onLag reads what comes after', async () => {
    const { source$, iterator, send, read } = open({
      capacity: 1,
      overflow: 'dropOldest',
      onLag: () => {
        send(3);
        inner = iterator.next();
      },
    });
    let inner: Promise<unknown> | undefined;
    send(1, 2);
    expect(await read()).toBe(2);
    expect(await inner).toEqual({ done: false, value: 3 });
    source$.complete();
  });
});

type Step = 'send' | 'read';

test('what is read and what is told as lost are together all that was sent, in order, whoever waits', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom<Step>('send', 'read')),
      fc.constantFrom<Overflow>('dropNewest', 'dropOldest', 'latest'),
      fc.integer({ min: 1, max: 6 }),
      async (steps, overflow, capacity) => {
        const lost: [first: number, last: number, missed: number][] = [];
        const read: number[] = [];
        const onLag = ({ missed, from, to }: Lag<number>): void => {
          lost.push([from, to, missed]);
        };
        const keyOf = (value: number): number => value % 3;
        const endsKey = (value: number): boolean => value % 5 === 0;
        const { source$, send, iterator } = open({ capacity, overflow, onLag, keyOf, endsKey });
        const readOnce = async (): Promise<boolean> => {
          const result = await iterator.next();
          if (result.done !== true) read.push(result.value);
          return result.done === true;
        };
        const reads: Promise<boolean>[] = [];
        let sent = 0;
        for (const step of steps) {
          if (step === 'send') send(sent++);
          // Some reads are waited for and some are not, so that several readers wait at a time.
          else if (reads.push(readOnce()) % 2 === 0) await Promise.resolve();
        }
        source$.complete();
        await Promise.all(reads);
        while (!(await readOnce()));
        const inOrder = (one: number, other: number): number => one - other;
        expect(read).toEqual([...read].sort(inOrder));
        let next = 0;
        const told = [...lost, ...read.map((value) => [value, value, 1] as const)];
        for (const [first, last, missed] of told.sort(([one], [other]) => inOrder(one, other))) {
          expect([first, last]).toEqual([next, next + missed - 1]);
          next += missed;
        }
        expect(next).toBe(sent);
      },
    ),
    { numRuns: 300 },
  );
});
