import { type InstanceManager, openManager, waitForState } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { config, EMPTY, finalize, firstValueFrom, forkJoin, NEVER, of, Subscriber } from 'rxjs';
import { anInstance } from '../support/lifecycleEvents.js';
import { until } from '../support/until.js';

const failure = new Error('of the subscriber');
const fail = (): never => {
  throw failure;
};

let manager: InstanceManager;
let warned: unknown[];
let id: string;
let heard: string[];

beforeEach(async () => {
  warned = [];
  heard = [];
  manager = await openManager({
    drivers: [createMemoryDriver()],
    logger: { debug: () => undefined, info: () => undefined, warn: (fields) => warned.push(fields) },
  });
  ({ id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' })));
  manager.events('app').subscribe(({ action }) => heard.push(action));
});
afterEach(() => manager.close());

/** A subscriber that RxJS does not guard, as operators made by hand may have. */
const unguarded = <T>(next: (value: T) => void): Subscriber<T> =>
  new Subscriber<T>({ next, error: () => undefined, complete: () => undefined });

const goOn = async (): Promise<void> => {
  await firstValueFrom(manager.stop('web'));
  await firstValueFrom(manager.start('web'));
};

describe('who throws when a wait ends', () => {
  it.each([
    ['in a teardown', () => manager.waitForState('web', 'Stopped').pipe(finalize(fail)).subscribe()],
    ['unguarded', () => manager.waitForState('web', 'Stopped').subscribe(unguarded(fail))],
  ])('%s is counted and reported, and the events go on', async (_, begin) => {
    begin();
    const other = firstValueFrom(manager.waitForState('web', 'Stopped'));
    await goOn();
    expect([heard, (await other).via]).toEqual([['stop', 'start'], 'event']);
    expect(manager.stats()['wait_for_state']).toMatchObject({ subscribers: 0, thrown: 1 });
    expect(warned).toMatchObject([{ consumer: 'wait_for_state' }]);
  });

  it('who does not handle its error is counted and reported likewise', async () => {
    manager.waitForState('nobody', 'Running').subscribe();
    manager.waitForState('web', 'Stopped').subscribe();
    await firstValueFrom(manager.delete('web'));
    expect(manager.stats()['wait_for_state']).toMatchObject({ subscribers: 0, thrown: 2 });
    const err = { _tag: 'InstanceNotFound' };
    expect(warned).toMatchObject([{ err }, { err }]);
  });

  it('of a source of its own is told as RxJS tells it, and other waits on that source go on', async () => {
    const told: unknown[] = [];
    config.onUnhandledError = (error) => told.push(error);
    let state: 'Initializing' | 'Running' = 'Initializing';
    const source = { events: () => NEVER, read: () => of(anInstance({ state })) };
    const options = { pollMs: 1 };
    waitForState(source, 'a', 'Running', options).pipe(finalize(fail)).subscribe();
    const other = firstValueFrom(waitForState(source, 'a', 'Running', options));
    state = 'Running';
    expect((await other).via).toBe('poll');
    const errors = await until(
      () => told,
      ({ length }) => length > 0,
    );
    config.onUnhandledError = null;
    expect(errors).toMatchObject([{ errors: [failure] }]);
  });
});

describe('who throws at a measurement', () => {
  it.each([
    [
      'in a teardown',
      () => {
        const one = manager.measurements$.pipe(finalize(fail)).subscribe(() => {
          one.unsubscribe();
        });
      },
    ],
    ['unguarded', () => manager.measurements$.subscribe(unguarded(fail))],
    ['plainly', () => manager.measurements$.subscribe(fail)],
  ])('%s is reported, and the events and measurements go on', async (_, begin) => {
    begin();
    const measured: string[] = [];
    manager.measurements$.subscribe(({ kind }) => measured.push(kind));
    const wait = firstValueFrom(manager.waitForState('web', 'Stopped'));
    await goOn();
    await wait;
    expect(heard).toEqual(['stop', 'start']);
    expect(measured).toEqual(['commit', 'wait', 'verb', 'commit', 'verb']);
    expect(warned).toMatchObject([{ err: {} }]);
  });
});

it('a wait that was left before it began is counted as none, and holds on to nothing', async () => {
  const { signal } = new AbortController();
  const listen = jest.spyOn(signal, 'addEventListener');
  await expect(
    firstValueFrom(forkJoin([EMPTY, manager.waitForState(id, 'Stopped', { signal })]), {
      defaultValue: 'none',
    }),
  ).resolves.toBe('none');
  expect([manager.stats()['wait_for_state']?.subscribers, listen.mock.calls]).toEqual([0, []]);
});
