/** Opens a manager, runs one verb, and kills itself at the point that it is told. */
import { concat, defer, EMPTY, lastValueFrom, map, mergeMap, type Observable, tap } from 'rxjs';
import type { Driver, Machine } from '../../src/drivers/driver.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';
import type { CutOff } from './cutOff.js';

const { dataDir, verb, point } = JSON.parse(process.argv[2] as string) as CutOff;

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

const deadlyDriver = (driver: Driver): Driver => ({
  ...driver,
  prepare: (plan) => around('prepare', driver.prepare(plan)),
  launch: (plan) => around('launch', driver.launch(plan)).pipe(map(deadlyMachine)),
  adopt: (plan, handle) => around('adopt', driver.adopt(plan, handle)).pipe(map(deadlyMachine)),
  reclaim: (home) => around('reclaim', driver.reclaim?.(home) ?? EMPTY),
  discard: (home) => around('discard', driver.discard(home)),
});

const run = (manager: InstanceManager): Observable<unknown> => {
  switch (verb) {
    case 'open':
      return EMPTY;
    case 'create':
      return manager.create({ name: 'new', image: 'scratch', entrypoint: ['sleep', '600'] });
    case 'fork':
      return manager.fork('web', { name: 'new', fromRunning: true });
    case 'restoreSnapshot':
      return manager
        .createSnapshot('web', { kind: 'Stopped' })
        .pipe(mergeMap(({ id }) => manager.restoreSnapshot('web', id, { targetState: 'Running' })));
    default:
      return manager[verb]('web');
  }
};

async function main(): Promise<void> {
  const drivers = [deadlyDriver(createProcessDriver({ pollMs: 5 }))];
  const manager = await openManager({ dataDir, drivers });
  manager.events('death').subscribe(({ action }) => {
    pass(`after event ${action}`);
  });
  await lastValueFrom(run(manager), { defaultValue: undefined });
  await manager.close();
}

void main();
