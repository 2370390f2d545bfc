import { firstValueFrom, lastValueFrom } from 'rxjs';
import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { idOf } from '../store/changes.js';
import { anInstance } from '../support/lifecycleEvents.js';

/** Earlier versions took it. */
const pattern = '(?=ready)';
const rule =
  'a regular expression (at most 500 characters; no look-around, no back-references, few repetitions): it has unknown syntax';
const kept = anInstance({
  id: idOf('kept'),
  state: 'Stopped',
  spec: { ...anInstance().spec, env: { A: '1' }, readiness: { kind: 'log', pattern } },
});
const fault = { path: 'readiness.pattern', found: "'(?=ready)'", expected: rule };

async function open(): Promise<{ readonly manager: InstanceManager; readonly warnings: unknown[] }> {
  const driver = createMemoryDriver();
  const plan = { instanceId: kept.id, name: kept.name, spec: kept.spec, home: 'home' };
  await lastValueFrom(driver.prepare(plan), { defaultValue: undefined });
  const store = createMemoryStore();
  await firstValueFrom(
    store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: kept.id, instance: kept }),
  );
  const warnings: unknown[] = [];
  const manager = await openManager({
    drivers: [{ ...driver, launch: (given) => driver.launch({ ...given, home: 'home' }) }],
    store,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields, message) => void warnings.push([fields, message]),
    },
  });
  return { manager, warnings };
}

describe('an instance whose spec was understood once and is not any more', () => {
  it('is told of at the opening', async () => {
    const { manager, warnings } = await open();
    expect(warnings).toEqual([
      [
        { id: kept.id, faults: [fault] },
        'what is kept of a spec is not understood: it cannot be launched before it is updated',
      ],
    ]);
    await manager.close();
  });

  it('cannot be launched, which names what has to be updated, and can then', async () => {
    const { manager } = await open();
    for (const verb of ['start', 'restart'] as const) {
      await expect(lastValueFrom(manager[verb](kept.id))).rejects.toMatchObject({
        _tag: 'LaunchFailed',
        message: `the spec has to be updated: readiness.pattern: found ${fault.found}, expected ${rule}`,
        cause: { _tag: 'InvalidRequest', faults: [fault] },
      });
    }
    await lastValueFrom(manager.update(kept.id, { readiness: { kind: 'log', pattern: 'ready' } }));
    await expect(lastValueFrom(manager.start(kept.id))).resolves.toMatchObject({ state: 'Initializing' });
    await manager.close();
  });

  it('can be updated in all that is not its driver’s, and deleted', async () => {
    const { manager } = await open();
    const { spec } = await lastValueFrom(manager.update(kept.id, { tags: { a: 'b' } }));
    expect(spec).toStrictEqual({ ...kept.spec, tags: { a: 'b' } });
    await lastValueFrom(manager.delete(kept.id));
    await expect(firstValueFrom(manager.list())).resolves.toEqual([]);
    await manager.close();
  });
});
