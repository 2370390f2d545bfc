import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';

/** A front door before one instance that runs, and whose machine listens there. */
export async function standingDoor(
  machine: number,
): Promise<{ readonly port: number; readonly end: () => Promise<void> }> {
  const manager = await openManager({ drivers: [createMemoryDriver({ portOf: () => machine })] });
  await firstValueFrom(manager.create({ name: 'standing', image: 'any', ports: [{ guest: 80 }] }));
  const { port } = await firstValueFrom(manager.endpoint('standing', 80));
  return { port, end: () => manager.close() };
}
