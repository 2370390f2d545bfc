import { type InstanceManager, openManager, type Store } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, type Observable } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let driver: MemoryDriver;
let store: Store;
let manager: InstanceManager;
let causes: unknown[];

const open = async (): Promise<void> => {
  manager = await openManager({ drivers: [driver], store });
  causes = [];
  manager.events('test').subscribe(({ action, cause }) => causes.push([action, cause]));
};

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  driver = createMemoryDriver();
  store = createMemoryStore();
  await open();
});
afterEach(async () => {
  await manager.close({ stopInstances: true });
  jest.useRealTimers();
});

it('what an application asks for is caused by its caller', async () => {
  const { id } = await value(manager.create({ name: 'web', image: 'any' }));
  await value(manager.update(id, { tags: { a: 'b' } }));
  await value(manager.standby(id));
  await value(manager.fork(id, { name: 'fork', targetState: 'Running' }));
  await value(manager.restore(id));
  await value(manager.restart(id));
  await value(manager.delete(id));
  const actions = ['create', 'update', 'standby', 'fork', 'restore', 'stop', 'start', 'delete'];
  expect(causes).toEqual(actions.map((action) => [action, { by: 'caller' }]));
});

it('what a machine does by itself is caused by it', async () => {
  const readiness = { kind: 'log', pattern: 'ready' } as const;
  const { id } = await value(manager.create({ name: 'web', image: 'any', readiness }));
  driver.machine(id).ready();
  driver.machine(id).exit({ code: 1, signal: null });
  await pass(0);
  expect(causes.slice(1)).toEqual([
    ['ready', { by: 'machine' }],
    ['exit', { by: 'machine' }],
  ]);
});

it.each([
  ['run', { runTimeoutMs: 1_000 }],
  ['readiness', { readiness: { kind: 'log', pattern: 'ready', timeoutMs: 1_000 } as const }],
])('an end by a deadline says which: %s', async (which, fields) => {
  await value(manager.create({ name: 'web', image: 'any', ...fields }));
  await pass(1_000);
  expect(causes.at(-1)).toEqual(['exit', { by: 'deadline', reason: `${which}_timeout` }]);
});

it('a manager that closes says so of what it stops', async () => {
  await value(manager.create({ name: 'web', image: 'any' }));
  await manager.close({ stopInstances: true });
  expect(causes.at(-1)).toEqual(['stop', { by: 'close' }]);
});

it('what a manager finds when it opens is caused by its recovery', async () => {
  const { id } = await value(manager.create({ name: 'web', image: 'any' }));
  await manager.close({ stopInstances: false });
  driver.machine(id).exit({ code: 1, signal: null });
  await open();
  const { events } = await value(store.read({ epoch: store.epoch, sequence: 1 }, 10));
  expect(events).toMatchObject([{ action: 'exit', cause: { by: 'recovery' } }]);
});
