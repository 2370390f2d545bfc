import { lastValueFrom } from 'rxjs';
import { createGroupCommit, type GroupCommit, type Transaction } from '../../src/store/groupCommit.js';
import { createMapDatabase, type MapDatabase } from './mapDatabase.js';

let database: MapDatabase;
let group: GroupCommit<number>;

beforeEach(() => {
  database = createMapDatabase();
  group = createGroupCommit(database, 0);
});

const run = <T>(task: (transaction: Transaction<number>) => T): Promise<T> => lastValueFrom(group.run(task));

const put = (key: string, text: string) => (transaction: Transaction<number>) => {
  transaction.put({ key, bytes: Buffer.from(text) });
};
const get = (key: string) => (transaction: Transaction<number>) => transaction.get(key)?.toString();

/** Lets writes wait until they are told to go on, or to fail. */
function held(): { begun(): Promise<void>; end(error?: Error): void } {
  let isBegun = (): void => undefined;
  let end: (error?: Error) => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    isBegun = resolve;
  });
  database.onWrite = () =>
    new Promise<void>((resolve, reject) => {
      isBegun();
      end = (error) => {
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  return {
    begun: () => begun,
    end: (error) => {
      database.onWrite = () => undefined;
      end(error);
    },
  };
}

test('what is asked for in one turn is one write, in which the last word on a key counts', async () => {
  await Promise.all([run(put('a', '1')), run(put('b', '2')), run(put('a', '3'))]);
  expect(database.writes).toEqual([['a', 'b']]);
  expect(database.records.get('a')?.toString()).toBe('3');
});

test('a task sees its own writes, then those of the tasks before it, then what is kept', async () => {
  await run(put('kept', '1'));
  const seen = await Promise.all([
    run(put('both', '2')),
    run((transaction) => {
      transaction.put({ key: 'own', bytes: Buffer.from('3') });
      transaction.put({ key: 'both', bytes: Buffer.from('4') });
      return ['kept', 'own', 'both', 'none'].map((key) => get(key)(transaction));
    }),
    run((transaction) => {
      transaction.remove('kept');
      return ['kept', 'own', 'both'].map((key) => get(key)(transaction));
    }),
    run(get('kept')),
  ]);
  expect(seen.slice(1)).toEqual([['1', '3', '4', undefined], [undefined, '3', '4'], undefined]);
});

test('what comes while a write is under way goes together in the next one, at most a thousand', async () => {
  const { begun, end } = held();
  const first = run(put('first', ''));
  await begun();
  const later = Array.from({ length: 1_500 }, (_, index) => run(put(String(index), '')));
  end();
  await Promise.all([first, ...later]);
  expect(database.writes.map(({ length }) => length)).toEqual([1, 1_000, 500]);
});

test('nothing is written where nothing has changed', async () => {
  expect(await run(() => 'seen')).toBe('seen');
  expect(database.writes).toEqual([]);
});

test('results come after the write, in the order of the subscribes', async () => {
  const { begun, end } = held();
  const results: string[] = [];
  const all = ['a', 'b', 'c'].map((key) =>
    run((transaction) => {
      put(key, '')(transaction);
      return key;
    }).then((result) => results.push(result)),
  );
  await begun();
  expect(results).toEqual([]);
  end();
  await Promise.all(all);
  expect(results).toEqual(['a', 'b', 'c']);
});

test('the state moves with what is kept, and each task sees that of the one before', async () => {
  const add = (transaction: Transaction<number>): number => {
    put('a', '')(transaction);
    return (transaction.state += 1);
  };
  const { begun, end } = held();
  const both = [run(add), run(add)];
  await begun();
  expect(group.state()).toBe(0);
  end();
  expect(await Promise.all(both)).toEqual([1, 2]);
  expect(group.state()).toBe(2);
});

test('a task that throws fails alone: neither what it wrote nor its state counts', async () => {
  const failure = new Error('no');
  const results = await Promise.allSettled([
    run(put('a', '1')),
    run((transaction) => {
      transaction.state = 9;
      put('b', '2')(transaction);
      throw failure;
    }),
    run(put('c', '3')),
  ]);
  expect(results).toEqual([
    expect.objectContaining({ status: 'fulfilled' }),
    { status: 'rejected', reason: failure },
    expect.objectContaining({ status: 'fulfilled' }),
  ]);
  expect([database.writes, group.state()]).toEqual([[['a', 'c']], 0]);
});

test('a write that fails fails all that take part in it, and the next one begins where they did', async () => {
  const failure = new Error('disk');
  database.onWrite = () => Promise.reject(failure);
  const failing = await Promise.allSettled(
    ['a', 'b'].map((key) =>
      run((transaction) => {
        transaction.state += 1;
        put(key, '')(transaction);
      }),
    ),
  );
  expect(failing).toEqual(Array(2).fill({ status: 'rejected', reason: failure }));
  expect([group.state(), database.records.size]).toEqual([0, 0]);
  database.onWrite = () => undefined;
  await run(put('c', ''));
  expect([...database.records.keys()]).toEqual(['c']);
});

test('it is idle when all that was asked for is done, and at once when nothing was', async () => {
  await group.whenIdle();
  const { begun, end } = held();
  const done: string[] = [];
  const all = [run(put('a', '')).then(() => done.push('a'))];
  await begun();
  all.push(run(put('b', '')).then(() => done.push('b')));
  const idle = group.whenIdle().then(() => done.push('idle'));
  end();
  await Promise.all([...all, idle]);
  expect(done.toSorted()).toEqual(['a', 'b', 'idle']);
  expect([...database.records.keys()]).toEqual(['a', 'b']);
});
