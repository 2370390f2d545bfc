/** Opens a manager, runs one verb, and kills itself at the point that it is told. */
import { concat, defer, EMPTY, lastValueFrom, map, mergeMap, type Observable, tap } from 'rxjs';
import type { Driver, Machine, Snapshotting } from '../../src/drivers/driver.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';
import type { CutOff } from './cutOff.js';

const { dataDir, verb, point, requestId } = JSON.parse(process.argv[2] as string) as CutOff;

const pass = (here: string): void => {
  if (here === point) process.kill(process.pid, 'SIGKILL');
};

const passing = (here: string): Observable<never> =>
  defer(() => {
    pass(here);
    return EMPTY;
  });

const around = <T>(step: string, work$: Observable<T>): Observable<T> =>
  concat(
    passing(`before ${step}`),
    work$.pipe(
      tap(() => {
        pass(`after ${step}`);
      }),
    ),
    passing(`after ${step}`),
  );

const deadlyMachine = (machine: Machine): Machine => {
  const freezing = machine.freezing as NonNullable<Machine['freezing']>;
  return {
    ...machine,
    stop: (options) => around('stop', machine.stop(options)),
    kill: () => around('kill', machine.kill()),
    freezing: {
      freeze: () => around('freeze', freezing.freeze()),
      thaw: () => around('thaw', freezing.thaw()),
    },
  };
};

const deadlySnapshots = (snapshots: Snapshotting): Snapshotting => ({
  ...snapshots,
  take: (plan) => around('take', snapshots.take(plan)),
  seal: (folder) => around('seal', snapshots.seal(folder)),
  discard: (folder) => around('discard', snapshots.discard(folder)),
});

const deadlyDriver = (driver: Driver): Driver => ({
  ...driver,
  snapshots: deadlySnapshots(driver.snapshots as Snapshotting),
  prepare: (plan) => around('prepare', driver.prepare(plan)),
  launch: (plan) => around('launch', driver.launch(plan)).pipe(map(deadlyMachine)),
  adopt: (plan, handle) => around('adopt', driver.adopt(plan, handle)).pipe(map(deadlyMachine)),
  reclaim: (home) => around('reclaim', driver.reclaim?.(home) ?? EMPTY),
  discard: (home) => around('discard', driver.discard(home)),
});

const run = (manager: InstanceManager): Observable<unknown> => {
  const options = requestId === undefined ? undefined : { requestId };
  switch (verb) {
    case 'open':
      return EMPTY;
    case 'create':
      return manager.create({ name: 'new', image: 'scratch', entrypoint: ['sleep', '600'] }, options);
    case 'ensure':
      return manager.ensure(
        { name: 'web', image: 'scratch', entrypoint: ['sleep', '601'] },
        { ...options, replace: true },
      );
    case 'fork':
      return manager.fork('web', { name: 'new', fromRunning: true }, options);
    case 'createSnapshot':
      return manager.createSnapshot('web', { kind: 'Stopped' }, options);
    case 'deleteSnapshot':
      return manager
        .listSnapshots()
        .pipe(mergeMap(([snapshot]) => manager.deleteSnapshot(String(snapshot?.id), options)));
    case 'restoreSnapshot':
      return manager
        .createSnapshot('web', { kind: 'Stopped' })
        .pipe(mergeMap(({ id }) => manager.restoreSnapshot('web', id, { targetState: 'Running' }, options)));
    case 'start':
      return manager.start('web', {}, options);
    default:
      return manager[verb]('web', options);
  }
};

async function main(): Promise<void> {
  const drivers = [deadlyDriver(createProcessDriver({ pollMs: 5 }))];
  const manager = await openManager({ dataDir, drivers });
  manager.events('death').subscribe(({ action }) => {
    pass(`after event ${action}`);
  });
  await lastValueFrom(run(manager), { defaultValue: undefined });
  pass('after outcome');
  await manager.close();
}

void main();
