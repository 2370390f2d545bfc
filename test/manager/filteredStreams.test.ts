import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { EMPTY, firstValueFrom, type Observable, take, toArray } from 'rxjs';

let manager: InstanceManager;
const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);
const make = (name: string, team: string) => value(manager.create({ name, image: 'any', tags: { team } }));

beforeEach(async () => {
  manager = await openManager({ drivers: [createMemoryDriver()] });
});
afterEach(() => manager.close());

it('a watch by labels follows an instance into them and out of them', async () => {
  await make('red', 'red');
  await make('blue', 'blue');
  const told: string[] = [];
  const watching = value(manager.watch('test', { tags: { team: 'red' } }).pipe(take(5), toArray()));
  manager.watch('test', { tags: { team: 'red' } }).subscribe((change) => {
    if (change.kind === 'snapshot')
      told.push(`snapshot of ${change.instances.map(({ name }) => name).join()}`);
    if (change.kind === 'upsert') told.push(`upsert of ${change.instance.name}`);
    if (change.kind === 'removed') told.push(`removed ${change.last?.name ?? ''} by ${change.event.action}`);
  });
  await value(manager.update('blue', { tags: { team: 'red' } }));
  await value(manager.update('red', { tags: { team: 'green' } }));
  await value(manager.stop('red'));
  await value(manager.stop('blue'));
  await value(manager.delete('blue'));
  await watching;
  expect(told).toEqual([
    'snapshot of red',
    'upsert of blue',
    'removed red by update',
    'upsert of blue',
    'removed blue by delete',
  ]);
});

it('a watch of one instance tells of no other', async () => {
  const { id } = await make('red', 'red');
  await make('blue', 'blue');
  const watching = value(manager.watch('test', { instanceId: id }).pipe(take(3), toArray()));
  await value(manager.stop('blue'));
  await value(manager.stop('red'));
  await value(manager.delete('blue'));
  await value(manager.start('red'));
  const [snapshot, ...changes] = await watching;
  expect(snapshot).toMatchObject({ kind: 'snapshot', instances: [{ id }] });
  expect(changes).toMatchObject([
    { kind: 'upsert', event: { action: 'stop', instanceId: id } },
    { kind: 'upsert', event: { action: 'start', instanceId: id } },
  ]);
});

it('events after a place are those of the filter, from the log and then live', async () => {
  const heard = value(manager.events('test'));
  await make('first', 'blue');
  const after = await heard;
  await make('red', 'red');
  await make('blue', 'blue');
  const told = value(manager.events('test', { after, tags: { team: 'red' } }).pipe(take(2), toArray()));
  await value(manager.stop('blue'));
  await value(manager.stop('red'));
  expect((await told).map(({ action, instance }) => [action, instance?.name])).toEqual([
    ['create', 'red'],
    ['stop', 'red'],
  ]);
});

it('who consumes durably by labels goes on behind what they left out', async () => {
  const given: string[] = [];
  const work = (events: number) =>
    new Promise<void>((resolve) => {
      const subscription = manager
        .consume(
          'test',
          ({ action, instance }, index) => {
            given.push(`${String(index)} ${action} ${instance?.name ?? ''}`);
            if (index + 1 === events) setImmediate(stop);
            return EMPTY;
          },
          { durable: true, tags: { team: 'red' } },
        )
        .subscribe();
      const stop = (): void => {
        subscription.unsubscribe();
        resolve();
      };
    });
  const first = work(1);
  await make('blue', 'blue');
  await make('red', 'red');
  await first;
  await value(manager.stop('blue'));
  await value(manager.stop('red'));
  await work(1);
  expect(given).toEqual(['0 create red', '0 stop red']);
});

it('list takes the conditions that the streams take', async () => {
  await make('red', 'red');
  await make('blue', 'blue');
  const names = async (filter: object) => (await value(manager.list(filter))).map(({ name }) => name);
  await expect(names({ tags: { team: 'red' } })).resolves.toEqual(['red']);
  await expect(names({ state: 'Running', driver: 'memory' })).resolves.toEqual(['red', 'blue']);
  await expect(names({ state: ['Running', 'Paused'], hasTags: ['team'] })).resolves.toEqual(['red', 'blue']);
  await expect(names({ hasTags: ['other'] })).resolves.toEqual([]);
});
