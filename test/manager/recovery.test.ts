import { firstValueFrom, lastValueFrom, map, NEVER, of, Subject } from 'rxjs';
import { type Machine, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { idOf } from '../store/changes.js';
import { anInstance } from '../support/lifecycleEvents.js';
import { until } from '../support/until.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});

it.each<[string, (found: Machine) => Partial<Machine>, string]>([
  [
    'lets no machine go on',
    ({ freezing }) => ({ freezing: { freeze: () => NEVER, ...freezing, thaw: () => NEVER } }),
    'Paused',
  ],
  ['sees no machine', () => ({ inspect: () => NEVER }), 'Unknown'],
])('a driver that %s, and does not fail either, keeps no manager from opening', async (_, fault, state) => {
  const driver = createMemoryDriver();
  const instance = anInstance({ id: idOf('a') });
  const plan = { instanceId: instance.id, name: instance.name, spec: instance.spec, home: 'home' };
  await lastValueFrom(driver.prepare(plan), { defaultValue: undefined });
  const { handle } = await firstValueFrom(driver.launch(plan));
  driver.machine(instance.id).halt();
  const store = createMemoryStore();
  await firstValueFrom(
    store.commit({
      action: 'create',
      cause: { by: 'caller' },
      instanceId: instance.id,
      instance: { ...instance, handle },
    }),
  );

  const warnings: string[] = [];
  const opening = openManager({
    drivers: [
      {
        ...driver,
        adopt: (...args) => driver.adopt(...args).pipe(map((it) => ({ ...it, ...fault(it) }))),
      },
    ],
    store,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (_fields, message) => void warnings.push(message),
    },
  });
  await jest.advanceTimersByTimeAsync(60_000);
  const manager = await opening;
  await expect(firstValueFrom(manager.get(instance.id))).resolves.toMatchObject({ state });
  expect(warnings).toEqual(['a machine could not be brought to the state of its instance']);
  await manager.close();
});

it('is not open before what a machine that has ended has started is gone', async () => {
  const instance = anInstance({ id: idOf('a'), handle: {} });
  const store = createMemoryStore();
  await firstValueFrom(
    store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: instance.id, instance }),
  );
  const gone$ = new Subject<never>();
  const driver = createMemoryDriver();
  const exit = { code: 3, signal: null };
  const ended: Machine = {
    handle: {},
    signals$: of({ kind: 'exit', exit }),
    inspect: () => of({ kind: 'ended', exit }),
    stop: () => of(exit),
    kill: () => of(exit),
  };
  const heard: string[] = [];
  const opening = openManager({
    drivers: [{ ...driver, adopt: () => of(ended), reclaim: () => gone$ }],
    store,
  }).then((manager) => {
    heard.push('open');
    return manager;
  });
  await until(
    () => gone$.observed,
    (isAwaited) => isAwaited,
  );
  heard.push('gone');
  gone$.complete();
  const manager = await opening;
  expect(heard).toEqual(['gone', 'open']);
  await expect(firstValueFrom(manager.get(instance.id))).resolves.toMatchObject({ state: 'Stopped', exit });
  await manager.close();
});
