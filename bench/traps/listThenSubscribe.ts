import assert from 'node:assert/strict';
import { type Instance, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, lastValueFrom, mergeMap, range } from 'rxjs';
import type { Trap } from './trap.js';

type Table = Map<string, Instance>;

const namesOf = (table: Table): readonly string[] => [...table.values()].map(({ name }) => name).sort();

async function truth(manager: InstanceManager): Promise<readonly string[]> {
  return (await firstValueFrom(manager.list())).map(({ name }) => name).sort();
}

/** Follows as hypeman's controllers do: lists, then subscribes; `between` happens in the gap. */
async function listThenFollow(manager: InstanceManager, between: () => Promise<unknown>): Promise<Table> {
  const table: Table = new Map((await firstValueFrom(manager.list())).map((found) => [found.id, found]));
  await between();
  manager.events('controller').subscribe(({ instanceId, instance }) => {
    if (instance === undefined) table.delete(instanceId);
    else table.set(instanceId, instance);
  });
  return table;
}

/** Follows by `watch`; `between` happens as soon as it has the table. */
function watch(manager: InstanceManager, between: () => Promise<unknown>): Table {
  const table: Table = new Map();
  let first: Promise<unknown> | undefined;
  manager.watch('controller', { capacity: 4 }).subscribe((change) => {
    switch (change.kind) {
      case 'snapshot':
        table.clear();
        for (const found of change.instances) table.set(found.id, found);
        first ??= between();
        break;
      case 'upsert':
        table.set(change.instance.id, change.instance);
        break;
      case 'removed':
        table.delete(change.instanceId);
        break;
      case 'closing':
    }
  });
  return table;
}

async function openBusy(): Promise<{
  readonly manager: InstanceManager;
  readonly create: (name: string) => Promise<Instance>;
}> {
  const manager = await openManager({ drivers: [createMemoryDriver()] });
  const create = (name: string): Promise<Instance> => firstValueFrom(manager.create({ name, image: 'any' }));
  await create('first');
  return { manager, create };
}

/** C4: what happens between a list and the subscription is never heard of. */
export const listThenSubscribe: Trap = {
  name: 'a controller lists, then subscribes',
  peer: "hypeman's health checks and auto-standby, re-told",
  falls: async () => {
    const { manager, create } = await openBusy();
    const table = await listThenFollow(manager, () => create('second'));
    await create('third');
    assert.deepEqual(namesOf(table), ['first', 'third']);
    assert.deepEqual(await truth(manager), ['first', 'second', 'third']);
    await manager.close();
    return 'it never hears of the second of three instances';
  },
  passes: async () => {
    const { manager, create } = await openBusy();
    const table = watch(manager, () => create('second'));
    await create('third');
    // More within one turn than its queue can hold.
    const burst$ = range(1, 100).pipe(
      mergeMap((index) => manager.create({ name: `burst-${String(index)}`, image: 'any' })),
    );
    await lastValueFrom(burst$);
    await new Promise((turn) => setImmediate(turn));
    assert.deepEqual(namesOf(table), await truth(manager));
    assert.equal(table.size, 103);
    await manager.close();
    return 'watch holds all 103, a hundred of them from a burst that its queue could not hold';
  },
};
