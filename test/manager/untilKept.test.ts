import fc from 'fast-check';
import { firstValueFrom, type Observable, throwError, toArray } from 'rxjs';
import { type Instance, type InstanceManager, type Logger, openManager, type Store } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createUntilKept } from '../../src/manager/untilKept.js';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { createKeyedQueue } from '../../src/streams/keyedQueue.js';
import { idOf } from '../store/changes.js';
import { anInstance } from '../support/lifecycleEvents.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

const full = new Error('no room');
const outcome = (work$: Observable<unknown>): Promise<unknown> =>
  firstValueFrom(work$).catch((error: unknown) => error);

/** A store that keeps a change while it `hasRoom`. */
const storeWhile = (hasRoom: () => boolean, store = createMemoryStore()): Store => ({
  ...store,
  commit: (change) => (hasRoom() ? store.commit(change) : throwError(() => full)),
});

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined };

it('tries again after twice as long each time, up to 5 s, and warns once', async () => {
  const told: string[] = [];
  const logger: Logger = {
    ...silent,
    debug: (fields, message) => void told.push(`${message} ${JSON.stringify(fields)}`),
    warn: (fields, message) => void told.push(`${message} ${JSON.stringify(fields)}`),
  };
  const at: number[] = [];
  const queue = createKeyedQueue();
  const task = (): Observable<never> => {
    at.push(Date.now());
    return throwError(() => full);
  };
  const trying = createUntilKept(queue, logger)('a', { kind: 'exit' }, task).subscribe();
  await jest.advanceTimersByTimeAsync(20_000);

  const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  expect(gaps).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(told[0]).toBe(
    'what became of an instance could not be kept: tried again {"kind":"exit","instanceId":"a","delayMs":100,"err":{}}',
  );
  expect(told.slice(1).every((line) => line.startsWith('what became of an instance can still not'))).toBe(
    true,
  );
  expect(queue.size).toBe(0);
  trying.unsubscribe();
});

/** All that can happen while the store may refuse. */
const happenings = [
  ...['create', 'start', 'stop', 'standby', 'restore', 'restart', 'fork', 'delete', 'refresh'],
  ...['becomes ready', 'ends', 'is lost', 'time passes'],
] as const;

interface Step {
  readonly what: (typeof happenings)[number];
  readonly name: string;
  /** Whether the store has room from now on. */
  readonly hasRoom: boolean;
  /** Whether it waits to be ready; of a fork, whose name it takes. */
  readonly waits: boolean;
}

const step = fc.record({
  what: fc.constantFrom(...happenings),
  name: fc.constantFrom('web-a', 'web-a', 'web-a', 'web-b'),
  hasRoom: fc.boolean(),
  waits: fc.boolean(),
});

const readiness = { kind: 'tcp', port: 80 } as const;

it.each(['cpu', 'memory'] as const)(
  'whatever the store refuses and when, once there is room the table tells the truth (standby frees %s)',
  async (standbyFrees) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        let hasRoom = true;
        const driver = createMemoryDriver({ standbyFrees });
        const manager = await openManager({
          drivers: [driver],
          store: storeWhile(() => hasRoom),
          logger: silent,
        });
        const known = async (name: string): Promise<Instance | undefined> =>
          (await firstValueFrom(manager.list())).find((instance) => instance.name === name);

        const happen = async ({ what, name, waits }: Step): Promise<unknown> => {
          const instance = await known(name);
          const id = instance?.id ?? '';
          const strings = driver.running().includes(id) ? driver.machine(id) : undefined;
          switch (what) {
            case 'create':
              return outcome(manager.create({ name, image: 'any', ...(waits && { readiness }) }));
            case 'fork':
              return outcome(manager.fork(name, { name: `web-${waits ? 'a' : 'b'}`, fromRunning: true }));
            case 'becomes ready':
              return strings?.ready();
            case 'ends':
              return strings?.exit({ code: 3, signal: null });
            case 'is lost':
              return strings?.lose('out of sight');
            case 'time passes':
              return jest.advanceTimersByTimeAsync(300);
            default:
              return outcome(manager[what](name));
          }
        };
        for (const each of steps) {
          hasRoom = each.hasRoom;
          await happen(each);
        }
        hasRoom = true;
        await jest.advanceTimersByTimeAsync(10_000);

        const all = await firstValueFrom(manager.list());
        const running = new Set(driver.running());
        for (const { id, state, handle } of all) {
          expect([state, running.has(id)]).toEqual([state, handle !== undefined]);
          expect(handle === undefined).toBe(
            state === 'Stopped' || (state === 'Standby' && standbyFrees === 'memory'),
          );
        }
        expect([...running].sort()).toEqual(
          all
            .filter(({ handle }) => handle)
            .map(({ id }) => id)
            .sort(),
        );
        for (const instance of all.filter(({ state }) => state !== 'Unknown')) {
          expect(await firstValueFrom(manager.refresh(instance.id))).toBe(instance);
        }
        await manager.close();
        expect(driver.running()).toEqual([]);
      }),
      { numRuns: 300 },
    );
  },
  60_000,
);

describe('a manager whose store has no room', () => {
  let manager: InstanceManager;
  let hasRoom: boolean;
  let heard: string[];
  const driver = createMemoryDriver();

  beforeEach(async () => {
    hasRoom = true;
    manager = await openManager({ drivers: [driver], store: storeWhile(() => hasRoom), logger: silent });
    heard = [];
    manager.events('test').subscribe(({ action }) => heard.push(action));
  });

  it('tells ready and exit in their order once there is room', async () => {
    const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any', readiness }));
    hasRoom = false;
    driver.machine(id).ready();
    driver.machine(id).exit({ code: 3, signal: null });
    await jest.advanceTimersByTimeAsync(60_000);
    expect(heard).toEqual(['create']);
    hasRoom = true;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(heard).toEqual(['create', 'ready', 'exit']);
    await manager.close();
  });

  it('does not tell as lost what was found again meanwhile', async () => {
    const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    hasRoom = false;
    driver.machine(id).lose('out of sight');
    await jest.advanceTimersByTimeAsync(1_000);
    hasRoom = true;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(heard).toEqual(['create']);
    await manager.close();
  });

  it('halts again what went on by a restore that could not be kept', async () => {
    const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    await firstValueFrom(manager.standby('web'));
    hasRoom = false;
    expect(await outcome(manager.restore('web'))).toBe(full);
    driver.machine(id).count();
    expect(await outcome(manager.logs('web').pipe(toArray()))).toEqual([]);
    hasRoom = true;
    expect(await firstValueFrom(manager.refresh('web'))).toMatchObject({ state: 'Standby' });
    await manager.close();
  });

  it('leaves nothing behind when it closes meanwhile', async () => {
    const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    hasRoom = false;
    driver.machine(id).exit({ code: 3, signal: null });
    await jest.advanceTimersByTimeAsync(1_000);
    await manager.close().catch(() => undefined);
    expect(heard).toEqual(['create']);
  });

  it('finds what a look found that could not be kept', async () => {
    const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    driver.machine(id).halt();
    hasRoom = false;
    expect(await outcome(manager.refresh('web'))).toBe(full);
    hasRoom = true;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(await firstValueFrom(manager.get('web'))).toMatchObject({ state: 'Paused' });
    await manager.close();
  });
});

it('a manager that opens without room tells what became of its instances once there is some', async () => {
  const driver = createMemoryDriver();
  const instance = anInstance({ id: idOf('a'), name: 'web', handle: { gone: true } });
  const inner = createMemoryStore();
  await firstValueFrom(
    inner.commit({ action: 'create', cause: { by: 'caller' }, instanceId: instance.id, instance }),
  );
  let hasRoom = false;
  const manager = await openManager({
    drivers: [driver],
    store: storeWhile(() => hasRoom, inner),
    logger: silent,
  });
  await jest.advanceTimersByTimeAsync(60_000);
  expect(await firstValueFrom(manager.get('web'))).toMatchObject({ state: 'Running' });
  hasRoom = true;
  await jest.advanceTimersByTimeAsync(5_000);
  expect(await firstValueFrom(manager.get('web'))).toMatchObject({ state: 'Stopped' });
  await manager.close();
});
