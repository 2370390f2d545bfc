import { firstValueFrom } from 'rxjs';
import { type Instance, type InstanceManager, openManager } from 'rx-instances';
import { promised, type PromisedInstances } from 'rx-instances/promises';
import { createMemoryDriver } from 'rx-instances/testing';
import { thrownBy } from '../support/thrownBy.js';

describe('the calls of a manager as Promises', () => {
  let manager: InstanceManager;
  let instances: PromisedInstances;

  beforeEach(async () => {
    manager = await openManager({ drivers: [createMemoryDriver()] });
    instances = promised(manager);
  });

  afterEach(() => manager.close());

  it('resolve with what the verbs and waits emit', async () => {
    const created = await instances.create({ name: 'web', image: 'any' });
    expect(await instances.get('web')).toBe(created);
    const updated: Instance = await instances.update('web', { tags: { a: '1' } }, { expectedRevision: 1 });
    expect(updated.spec.tags).toEqual({ a: '1' });
    expect((await instances.waitForState('web', ['Standby', 'Running'])).reached).toBe(true);
    await instances.stop('web');
    const { id } = await instances.createSnapshot('web', { kind: 'Stopped' });
    expect((await instances.forkSnapshot(id, { name: 'copy' })).name).toBe('copy');
    expect((await instances.list({ state: 'Stopped' })).map(({ name }) => name)).toEqual(['web', 'copy']);
  });

  it('are all that a manager has but its log, its streams and what is local', () => {
    const others = ['logs', 'files', 'events', 'consume', 'iterate', 'watch'];
    const local = ['closing$', 'table', 'stats', 'doorStats', 'measurements$', 'close'];
    expect([...Object.keys(instances), ...others, ...local].sort()).toEqual(Object.keys(manager).sort());
  });

  it('begin at once, and run to their end whether or not they are awaited', async () => {
    const created = firstValueFrom(manager.events('app'));
    void instances.create({ name: 'web', image: 'any' });
    expect((await created).action).toBe('create');
  });

  it('reject with the errors of the verbs, never throw', async () => {
    await expect(instances.start('web')).rejects.toMatchObject({ _tag: 'InstanceNotFound', idOrName: 'web' });
    const wrong = { pollMs: 0 };
    await expect(instances.waitForState('web', 'Running', wrong)).rejects.toMatchObject({
      faults: [{ path: 'pollMs' }],
    });
    await manager.close();
    await expect(instances.list()).rejects.toMatchObject({ _tag: 'ManagerClosed' });
  });

  it('reject with the reason of a signal that aborts', async () => {
    const stopped = new AbortController();
    await instances.create({ name: 'web', image: 'any' });
    const waiting = instances.waitForState('web', 'Stopped', { signal: stopped.signal });
    const running = instances.run({ image: 'any' }, { signal: stopped.signal });
    stopped.abort(new Error('no more'));
    await expect(waiting).rejects.toThrow('no more');
    await expect(running).rejects.toThrow('no more');
  });

  it('are had of whatever has the verbs, with `this` as it was', async () => {
    class Remote {
      readonly #manager = manager;
      get(idOrName: string) {
        return this.#manager.get(idOrName);
      }
    }
    const { get: _, ...others } = manager;
    const remote = Object.assign(new Remote(), others);
    await instances.create({ name: 'web', image: 'any' });
    expect((await promised(remote).get('web')).name).toBe('web');
  });

  it('are refused for what lacks a verb', () => {
    const { fork: _, ...forkless } = manager;
    expect(thrownBy(() => promised(forkless as InstanceManager))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: '', expected: 'what has all verbs of instances, and waitForState' }],
    });
  });
});
