import { filter, firstValueFrom, map, mergeMap, type Observable, take, toArray } from 'rxjs';
import {
  type Instance,
  type InstanceChange,
  type InstanceManager,
  latestByInstance,
  type LifecycleEvent,
  openManager,
  type Snapshot,
  type Snapshotting,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { wireEvent } from 'rx-instances/wire';
import { marbles } from '../support/marbles.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let manager: InstanceManager;
let events: LifecycleEvent[];
let web: Instance;

beforeEach(async () => {
  manager = await openManager({ drivers: [createMemoryDriver()] });
  await value(manager.create({ name: 'web', image: 'any', tags: { team: 'blue' } }));
  web = await value(manager.stop('web'));
  events = [];
  manager.events('app').subscribe((event) => events.push(event));
});
afterEach(() => manager.close());

const taken = (): Promise<Snapshot> =>
  value(manager.createSnapshot('web', { kind: 'Stopped' }, { by: 'ops' }));

describe('events of a snapshot', () => {
  it('tell that it was taken and deleted, of which instance, by whom, and are known to who asks then', async () => {
    const known: unknown[] = [];
    manager
      .events('asks')
      .pipe(mergeMap(() => manager.listSnapshots()))
      .subscribe((all) => known.push(all.map(({ id }) => id)));
    const snapshot = await taken();
    await value(manager.deleteSnapshot(snapshot.id));
    const common = { instanceId: web.id, snapshot };
    expect(events).toEqual([
      expect.objectContaining({ ...common, action: 'create_snapshot', cause: { by: 'ops' } }),
      expect.objectContaining({ ...common, action: 'delete_snapshot', cause: { by: 'caller' } }),
    ]);
    expect(events.every((event) => !('instance' in event) && Object.isFrozen(event))).toBe(true);
    expect(known).toEqual([[snapshot.id], []]);
  });

  it('change nothing of the instance, and come also when that is gone', async () => {
    const { id } = await taken();
    expect(await value(manager.get('web'))).toBe(web);
    await value(manager.delete('web'));
    await value(manager.deleteSnapshot(id));
    expect(events.map(({ action }) => action)).toEqual(['create_snapshot', 'delete', 'delete_snapshot']);
    expect(await value(manager.list())).toEqual([]);
  });

  it('are followed by what goes on from it: fork and restore tell the snapshot', async () => {
    const { id } = await taken();
    await value(manager.restoreSnapshot('web', id));
    await value(manager.forkSnapshot(id, { name: 'other' }));
    await value(manager.fork('web', { name: 'plain' }));
    expect(events.map(({ action, snapshotId }) => [action, snapshotId])).toEqual([
      ['create_snapshot', undefined],
      ['restore', id],
      ['fork', id],
      ['fork', undefined],
    ]);
    for (const event of events) {
      const wire = JSON.parse(JSON.stringify(wireEvent.encode(event))) as unknown;
      expect(wireEvent.decode(wire)).toEqual({ _tag: 'Right', right: event });
    }
  });

  it('are in the log: who resumes hears of them', async () => {
    const { id } = await taken();
    const [{ epoch, sequence } = { epoch: '', sequence: 0 }] = events;
    const after = { epoch, sequence: sequence - 1 };
    await value(manager.deleteSnapshot(id));
    const again = await value(manager.events('again', { after }).pipe(take(2), toArray()));
    expect(again).toEqual(events);
  });

  it('leave a watch as it is, whole or in part, and do not bring it out of step', async () => {
    const told: Record<'all' | 'part', InstanceChange[]> = { all: [], part: [] };
    manager.watch('all').subscribe((change) => told.all.push(change));
    manager.watch('part', { tags: { team: 'blue' } }).subscribe((change) => told.part.push(change));
    await taken();
    const last = await value(manager.update('web', { env: { A: '1' } }));
    await new Promise(setImmediate);
    for (const changes of [told.all, told.part]) {
      expect(changes.map(({ kind }) => kind)).toEqual(['snapshot', 'upsert']);
      expect(changes[1]).toMatchObject({ instance: last });
    }
  });

  it('are held to the spec that it was taken with; who asks for a state hears none', async () => {
    const heard: string[] = [];
    const hear = (name: string, options: object): void => {
      manager.events(name, options).subscribe(({ action }) => heard.push(`${name} ${action}`));
    };
    hear('of_team', { tags: { team: 'blue' } });
    hear('of_others', { tags: { team: 'red' } });
    hear('stopped', { state: 'Stopped' });
    hear('of_web', { instanceId: web.id });
    hear('of_none', { instanceId: 'none' });
    await taken();
    expect(heard.toSorted()).toEqual(['of_team create_snapshot', 'of_web create_snapshot']);
  });

  it('are no view of an instance to who waits for its state', async () => {
    const outcome = value(manager.waitForState('web', 'Running', { through: ['Stopped'] }));
    await taken();
    const running = await value(manager.start('web'));
    expect(await outcome).toMatchObject({ reached: true, instance: { revision: running.revision } });
  });

  it('have a key of their own for latest, so that neither they nor those of their instance fold the other away', async () => {
    const { id } = await taken();
    await value(manager.update('web', { env: { A: '1' } }));
    await value(manager.deleteSnapshot(id));
    await value(manager.delete('web'));
    expect(events.map((event) => [latestByInstance.keyOf(event), latestByInstance.endsKey(event)])).toEqual([
      [id, false],
      [web.id, false],
      [id, true],
      [web.id, true],
    ]);
  });

  it('come once of a request that is asked for twice, whose outcome is the snapshot', async () => {
    const options = { requestId: 'nightly' };
    const ask = (): Observable<Snapshot> => manager.createSnapshot('web', { kind: 'Stopped' }, options);
    const [one, two] = await Promise.all([value(ask()), value(ask())]);
    expect(await value(ask())).toEqual(one);
    expect(two).toBe(one);
    const gone = await value(manager.deleteSnapshot(one.id, { requestId: 'away' }));
    expect(await value(manager.deleteSnapshot(one.id, { requestId: 'away' }))).toEqual(gone);
    expect(events.map(({ action, cause }) => [action, cause.requestId])).toEqual([
      ['create_snapshot', 'nightly'],
      ['delete_snapshot', 'away'],
    ]);
  });
});

/** Opens a manager whose driver can keep memory, as far as that can tell. */
async function openKeepingMemory(): Promise<MemoryDriver> {
  await manager.close();
  const driver = createMemoryDriver();
  const snapshots = { ...(driver.snapshots as Snapshotting), kinds: ['Stopped', 'Standby'] as const };
  manager = await openManager({ drivers: [{ ...driver, snapshots }] });
  return driver;
}

it('the deadline of an instance holds, though a snapshot of it is taken', async () => {
  await openKeepingMemory();
  marbles(({ expectObservable }) => {
    const ends$ = manager.events('ends').pipe(
      filter(({ action }) => action === 'exit'),
      map(({ cause }) => cause.by),
    );
    expectObservable(ends$, '^ 4s !').toBe('1s a', { a: 'deadline' });
    manager.create({ name: 'job', image: 'any', runTimeoutMs: 1_000 }).subscribe();
    manager.createSnapshot('job', { kind: 'Standby' }).subscribe();
  });
});

it('a run whose instance has a snapshot taken goes on', async () => {
  const driver = await openKeepingMemory();
  const outcome = value(manager.run({ name: 'job', image: 'any' }));
  const job = await value(manager.waitForState('job', 'Running', { mayBeAbsent: true }));
  const snapshot = await value(manager.createSnapshot('job', { kind: 'Standby' }));
  expect(snapshot.instanceId).toBe(job.instance.id);
  driver.machine(job.instance.id).exit({ code: 0, signal: null });
  expect(await outcome).toMatchObject({ exit: { code: 0 } });
});
