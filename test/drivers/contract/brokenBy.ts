import { defer, map, Observable, ReplaySubject, throwError } from 'rxjs';
import type { Driver, Freezing, LaunchPlan, Machine, Snapshotting } from 'rx-instances';
import type { MemoryDriver } from 'rx-instances/testing';
import { driverContract, type DriverSubject } from 'rx-instances/testing';
import { memorySubject } from '../memory/memorySubject.js';

/**
 * Lets a millisecond pass with each turn of the event loop: whatever takes time takes the same under any load, and what
 * does not come is not waited for long.
 */
async function inVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask'] });
  const passing = (): void => {
    jest.advanceTimersByTime(1);
    next = setImmediate(passing);
  };
  let next = setImmediate(passing);
  try {
    return await work();
  } finally {
    clearImmediate(next);
    jest.useRealTimers();
  }
}

/** Runs the contract against a driver with a fault, and returns the sentences that it breaks. */
export const brokenBy = async (...args: Parameters<typeof failuresBy>): Promise<readonly string[]> => [
  ...(await failuresBy(...args)).keys(),
];

/** The same with what each of them is told by. */
export async function failuresBy(
  fault: (driver: MemoryDriver) => Partial<Driver>,
  subject: DriverSubject<MemoryDriver> = memorySubject,
): Promise<ReadonlyMap<string, string>> {
  const cases: { readonly sentence: string; readonly body: () => Promise<void> }[] = [];
  const createDriver = (): MemoryDriver => {
    const driver = subject.createDriver();
    return { ...driver, ...fault(driver) };
  };
  driverContract(
    {
      describe: (_, body) => {
        body();
      },
      it: (sentence, body) => cases.push({ sentence, body }),
    },
    { ...subject, createDriver, patienceMs: 100 },
  );
  const results = await inVirtualTime(() => Promise.allSettled(cases.map(({ body }) => body())));
  return new Map(
    cases.flatMap(({ sentence }, index) => {
      const result = results[index];
      return result?.status === 'rejected' ? [[sentence, (result.reason as Error).message] as const] : [];
    }),
  );
}

export const resumed = ({ resume }: Driver, plan: LaunchPlan): Observable<Machine> =>
  resume?.(plan) ?? throwError(() => new Error('it cannot resume'));

/** Puts a fault into each machine. */
export const inMachines =
  (fault: (machine: Machine) => Partial<Machine>) =>
  (driver: MemoryDriver): Partial<Driver> => {
    const faulty = map((machine: Machine) => ({ ...machine, ...fault(machine) }));
    return {
      launch: (plan) => driver.launch(plan).pipe(faulty),
      adopt: (plan, handle) => driver.adopt(plan, handle).pipe(faulty),
      ...(driver.resume !== undefined && { resume: (plan) => resumed(driver, plan).pipe(faulty) }),
    };
  };

export const inSnapshots =
  (fault: (snapshots: Snapshotting) => Partial<Snapshotting>) =>
  ({ snapshots }: MemoryDriver): Partial<Driver> =>
    snapshots === undefined ? {} : { snapshots: { ...snapshots, ...fault(snapshots) } };

export const inFreezing = (fault: (freezing: Freezing) => Partial<Freezing>) =>
  inMachines(({ freezing }) =>
    freezing === undefined ? {} : { freezing: { ...freezing, ...fault(freezing) } },
  );

/** Begins before anybody subscribes. */
export const hot = <T>(work$: Observable<T>): Observable<T> => {
  const told$ = new ReplaySubject<T>(Infinity);
  work$.subscribe(told$);
  return told$;
};

/** Fails from the second time on. */
export const once = <A extends readonly unknown[], T>(work: (...args: A) => Observable<T>) => {
  let calls = 0;
  return (...args: A): Observable<T> =>
    defer(() => ((calls += 1) === 1 ? work(...args) : throwError(() => new Error('already'))));
};

/** The machine comes up later, whoever waits for it. */
export const late = (launch: (plan: LaunchPlan) => Observable<Machine>) => (plan: LaunchPlan) =>
  new Observable<Machine>((subscriber) => {
    setImmediate(() => {
      launch(plan).subscribe({
        next: (machine) => {
          subscriber.next(machine);
          subscriber.complete();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      });
    });
  });
