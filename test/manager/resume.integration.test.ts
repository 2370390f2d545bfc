import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  concatMap,
  EMPTY,
  finalize,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  ReplaySubject,
  range,
  Subject,
  take,
  takeUntil,
  toArray,
} from 'rxjs';
import {
  type Cursor,
  type InstanceManager,
  type LifecycleEvent,
  type ManagerOptions,
  openManager,
} from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { until } from '../support/until.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);
const all = <T>(source$: Observable<T>): Promise<readonly T[]> => lastValueFrom(source$.pipe(toArray()));
const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

let dataDir: string;
let managers: InstanceManager[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'resume-'));
  managers = [];
});

afterEach(async () => {
  await Promise.all(managers.map((manager) => manager.close({ stopInstances: true })));
  rmSync(dataDir, { recursive: true });
});

type Open = (options?: Partial<ManagerOptions>) => Promise<InstanceManager>;

const open = async (options: Partial<ManagerOptions> = {}): Promise<InstanceManager> => {
  const manager = await openManager({ drivers: [createMemoryDriver()], ...options });
  managers.push(manager);
  return manager;
};

/** Updates an instance so many times, one after another. */
const updates = (manager: InstanceManager, times: number): Observable<number> =>
  range(1, times).pipe(
    concatMap((count) =>
      manager.update('web', { tags: { count: `${String(Math.random())}-${String(count)}` } }),
    ),
    map(({ revision }) => revision),
  );

/** Creates an instance, and gives the place of the event that tells of it. */
async function begin(manager: InstanceManager): Promise<Cursor> {
  const created = value(manager.events('begin'));
  await value(manager.create({ name: 'web', image: 'any' }));
  return created;
}

const sequence = (event: LifecycleEvent): number => event.sequence;

describe.each<[string, () => Open]>([
  ['in memory', () => open],
  ['in a data directory', () => (options) => open({ dataDir, ...options })],
])('a manager whose log is %s', (_, openIt) => {
  it('tells what the log has after a place, then what happens, without gap or double', async () => {
    const manager = await openIt()();
    const after = await begin(manager);
    await all(updates(manager, 1_500));
    const heard = all(manager.events('app', { after }).pipe(map(sequence), take(2_000)));
    await all(updates(manager, 500));
    expect(await heard).toEqual(numbers(2, 2_001));
  });

  it('goes over to live under somebody who never pauses', async () => {
    const manager = await openIt()();
    const after = await begin(manager);
    await all(updates(manager, 300));
    const over$ = new Subject<void>();
    const publishing = all(updates(manager, 5_000).pipe(takeUntil(over$)));
    const heard = await all(
      manager.events('app', { after }).pipe(
        map(sequence),
        take(900),
        finalize(() => {
          over$.next();
        }),
      ),
    );
    await publishing;
    expect(heard).toEqual(numbers(2, 901));
  });

  it('loses nothing to work that is slower than what happens, with the policy resume', async () => {
    const manager = await openIt()();
    await begin(manager);
    const published$ = new ReplaySubject<void>(1);
    const worked = all(
      manager
        .consume('app', (event) => published$.pipe(map(() => sequence(event))), {
          overflow: 'resume',
          capacity: 2,
        })
        .pipe(take(200)),
    );
    await all(updates(manager, 200));
    published$.next();
    published$.complete();
    expect(await worked).toEqual(numbers(2, 201));
    expect(manager.stats()['app']).toMatchObject({ dropped: { buffer_full: 0 }, lagged: 0 });
    expect(manager.stats()['app']?.resumed).toBeGreaterThan(0);
  });

  it('refuses a place that the log has lost, and one of another log', async () => {
    const config = {
      instances: { lifecycleEventBufferSize: 256 },
      storage: { logMaxEvents: 10, logMaxAgeMs: 1_000_000 },
    };
    const manager = await openIt()({ config });
    const after = await begin(manager);
    await all(updates(manager, 50));
    await expect(value(manager.events('app', { after }))).rejects.toMatchObject({ _tag: 'CursorExpired' });
    const elsewhere = { epoch: 'another', sequence: 45 };
    await expect(value(manager.events('app', { after: elsewhere }))).rejects.toMatchObject({
      _tag: 'CursorExpired',
    });
  });

  it('fails those who have not heard all when it closes', async () => {
    const manager = await openIt()();
    await begin(manager);
    const working = all(manager.consume('app', () => NEVER, { overflow: 'resume', capacity: 1 }));
    const outcome = expect(working).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    await all(updates(manager, 20));
    await manager.close({ stopInstances: true });
    await outcome;
  });
});

describe('a durable consumer', () => {
  /** What it is given until it has been given so much. */
  const given = async (
    manager: InstanceManager,
    count: number,
    project: (event: LifecycleEvent) => Observable<never> = () => EMPTY,
  ): Promise<readonly number[]> => {
    const seen: number[] = [];
    const work$ = manager.consume(
      'billing',
      (event) => {
        seen.push(sequence(event));
        return project(event);
      },
      { durable: true },
    );
    const working = work$.subscribe();
    await until(
      () => seen.length,
      (length) => length >= count,
    );
    working.unsubscribe();
    return seen;
  };

  it('goes on after a restart where it was, and is given once more what it had not done', async () => {
    const first = await open({ dataDir });
    await begin(first);
    const seen = given(first, 30, (event) => (sequence(event) < 31 ? EMPTY : NEVER));
    await all(updates(first, 40));
    expect(await seen).toEqual(numbers(2, 31));
    await first.close();

    // Machines in memory end with their driver, of which event 42 tells.
    const second = await open({ dataDir });
    expect(await given(second, 12)).toEqual(numbers(31, 42));
    await second.close();

    const third = await open({ dataDir });
    const later = given(third, 3);
    await all(updates(third, 3));
    expect(await later).toEqual(numbers(43, 45));
  });
});
