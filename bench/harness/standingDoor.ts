import { createFrontDoor, type DoorManager, type FrontDoor, type Instance } from 'rx-instances';
import { concat, filter, firstValueFrom, NEVER, type Observable, of, startWith } from 'rxjs';

/** Where a door listens for a port of an instance, as soon as it does. */
export async function portOf(door: FrontDoor, instanceId: string): Promise<number> {
  const status$ = door.status$.pipe(
    startWith(...door.status(instanceId)),
    filter((status) => status.instanceId === instanceId && status.state === 'listening'),
  );
  const { address } = await firstValueFrom(status$);
  return address?.port ?? NaN;
}

/** A manager of one instance that runs, and listens there. */
export function standingManager(port: number): DoorManager {
  const instance: Instance = {
    id: 'a'.repeat(24),
    name: 'standing',
    spec: { driver: 'any', image: 'any', env: {}, tags: {} },
    state: 'Running',
    revision: 1,
    createdAt: 0,
  };
  const same = (): Observable<Instance> => of(instance);
  const snapshot = { kind: 'snapshot', instances: [instance], cursor: { epoch: '', sequence: 0 } } as const;
  return {
    watch: () => concat(of(snapshot), NEVER),
    ...{ refresh: same, restore: same, start: same },
    portsOf: () => [{ guest: 80 }],
    addressOf: () => of({ host: '127.0.0.1', port }),
  };
}

/** A door before one instance that runs. */
export async function standingDoor(
  port: number,
): Promise<{ readonly door: FrontDoor; readonly port: number }> {
  const door = createFrontDoor(standingManager(port));
  return { door, port: await portOf(door, 'a'.repeat(24)) };
}
