import { defer, firstValueFrom, lastValueFrom, type Observable, of, tap, throwError } from 'rxjs';
import { createIntents, type Intent } from '../../src/manager/intents.js';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import type { Store } from '../../src/store/store.js';
import { done } from '../store/changes.js';
import { anInstance } from '../support/lifecycleEvents.js';

const instance = anInstance({ revision: 3 });

/** A store with the instance. */
async function aStore(): Promise<Store> {
  const store = createMemoryStore();
  await firstValueFrom(
    store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: instance.id, instance }),
  );
  return store;
}

const known = async (store: Store): Promise<readonly (readonly [string, Intent])[]> => [
  ...(await firstValueFrom(createIntents(store).load())),
];

const failing = (message: string): Observable<never> => throwError(() => new Error(message));

it('what is about to be done is written down before it is, with the revision of before', async () => {
  const store = await aStore();
  const work$ = defer(() => known(store));
  const before = await lastValueFrom(createIntents(store).declared(instance, 'restart', work$));
  expect(before).toEqual([[instance.id, { verb: 'restart', revision: 3 }]]);
});

it('what cannot be written down is not done', async () => {
  const store = { ...(await aStore()), saveRuntime: () => failing('no room') };
  let isDone = false;
  const work$ = of('done').pipe(tap(() => (isDone = true)));
  await expect(lastValueFrom(createIntents(store).declared(instance, 'delete', work$))).rejects.toThrow(
    'no room',
  );
  expect(isDone).toBe(false);
});

it('what failed is forgotten, and so is what is over', async () => {
  const store = await aStore();
  const intents = createIntents(store);
  const work$ = intents.declared(instance, 'delete', failing('it is busy'));
  await expect(lastValueFrom(work$)).rejects.toThrow('it is busy');
  expect(await known(store)).toEqual([]);
  await lastValueFrom(intents.declared(instance, 'still', of('done')));
  await done(intents.forget(instance.id));
  expect(await known(store)).toEqual([]);
});

it('of what failed and cannot be forgotten the failure is told', async () => {
  const whole = await aStore();
  const store: Store = {
    ...whole,
    saveRuntime: (controller, id, value) =>
      value === undefined ? failing('no room') : whole.saveRuntime(controller, id, value),
  };
  const work$ = createIntents(store).declared(instance, 'delete', failing('it is busy'));
  await expect(lastValueFrom(work$)).rejects.toThrow('it is busy');
});

it('what nobody understands is passed over, and nothing else with it', async () => {
  const store = await aStore();
  const other = anInstance({ id: 'b' });
  await firstValueFrom(
    store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: other.id, instance: other }),
  );
  await done(store.saveRuntime('manager', instance.id, { verb: 'dance', revision: 1 }));
  await done(store.saveRuntime('manager', other.id, { verb: 'still', revision: 1 }));
  expect(await known(store)).toEqual([['b', { verb: 'still', revision: 1 }]]);
});
