/** Opens a manager of virtual machines, runs one verb, and kills itself at the point that it is told. */
import { concat, defer, EMPTY, lastValueFrom, map, type Observable, tap, timer } from 'rxjs';
import type { Driver, Machine } from '../../src/drivers/driver.js';
import { createQemuDriver } from '../../src/drivers/qemu/qemuDriver.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openManager } from '../../src/manager/instanceManager.js';

/** Where the one that runs a verb is killed. */
export interface MachineCutOff {
  readonly dataDir: string;
  readonly name: string;
  readonly verb: 'standby' | 'restore' | 'fork' | 'createSnapshot';
  /** Before or after a step of the driver, or so many milliseconds into it. */
  readonly point: string;
}

const { dataDir, name, verb, point } = JSON.parse(process.argv[2] as string) as MachineCutOff;

const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};

const pass = (here: string): void => {
  if (here === point) die();
};

const around = <T>(step: string, work$: Observable<T>): Observable<T> =>
  concat(
    defer(() => {
      pass(`before ${step}`);
      const [, ms, into] = /^(\d+) ms into (\w+)$/.exec(point) ?? [];
      if (into === step) timer(Number(ms)).subscribe(die);
      return EMPTY;
    }),
    work$.pipe(
      tap(() => {
        pass(`after ${step}`);
      }),
    ),
    defer(() => {
      pass(`after ${step}`);
      return EMPTY;
    }),
  );

const deadlyMachine = (machine: Machine): Machine => {
  const { freeze, thaw, suspend = freeze } = machine.freezing as NonNullable<Machine['freezing']>;
  return {
    ...machine,
    kill: () => around('kill', machine.kill()),
    freezing: {
      freeze: () => around('freeze', freeze()),
      thaw: () => around('thaw', thaw()),
      suspend: () => around('suspend', suspend()),
    },
  };
};

const deadlyDriver = (driver: Driver): Driver => ({
  ...driver,
  prepare: (plan) => around('prepare', driver.prepare(plan)),
  resume: (plan) => around('resume', driver.resume?.(plan) ?? EMPTY).pipe(map(deadlyMachine)),
  adopt: (plan, handle) => driver.adopt(plan, handle).pipe(map(deadlyMachine)),
  ...(driver.snapshots !== undefined && {
    snapshots: {
      ...driver.snapshots,
      take: (plan) => around('take', driver.snapshots?.take(plan) ?? EMPTY),
      seal: (folder) => around('seal', driver.snapshots?.seal(folder) ?? EMPTY),
    },
  }),
});

const run = (manager: InstanceManager): Observable<unknown> => {
  switch (verb) {
    case 'standby':
      return manager.standby(name);
    case 'restore':
      return manager.restore(name);
    case 'fork':
      return manager.fork(name, { name: 'never', fromRunning: true });
    case 'createSnapshot':
      return manager.createSnapshot(name, { kind: 'Standby', name: 'never' });
  }
};

void openManager({ dataDir, drivers: [deadlyDriver(createQemuDriver())] }).then((manager) =>
  lastValueFrom(run(manager)),
);
