import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { lastValueFrom, map, mergeMap, range, toArray } from 'rxjs';

/** A manager whose instances are Initializing until somebody plays them. */
export interface Crowd {
  readonly manager: InstanceManager;
  readonly driver: MemoryDriver;
  /** Creates so many more, and gives their ids. */
  create(count: number): Promise<readonly string[]>;
}

/** Opens a manager over machines in memory. */
export async function openCrowd(): Promise<Crowd> {
  const driver = createMemoryDriver();
  const manager = await openManager({ drivers: [driver] });
  const readiness = { kind: 'tcp', port: 80 } as const;
  let created = 0;
  return {
    manager,
    driver,
    create: (count) =>
      lastValueFrom(
        range(0, count).pipe(
          mergeMap(() =>
            manager.create({ name: `crowd-${String((created += 1))}`, image: 'any', readiness }),
          ),
          map(({ id }) => id),
          toArray(),
        ),
      ),
  };
}
