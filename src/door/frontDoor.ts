import { defer, type Observable, of, retry, Subject, timer } from 'rxjs';
import type { Connection, ConnectionChange, ConnectionSource } from '../instances/connectionSource.js';
import type { Instance } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import { Delays } from '../streams/delays.js';
import { backoffMs } from './backoff.js';
import type { DoorContext } from './doorContext.js';
import { DoorInstance } from './doorInstance.js';
import type { DoorManager } from './doorManager.js';
import { type DoorOptions, doorSettings } from './doorOptions.js';
import { type DoorStats, newTally } from './doorStats.js';
import type { PortStatus } from './portStatus.js';

/** What listens for the published ports of all instances. */
export interface FrontDoor {
  /** Who is connected, those who wait included. */
  readonly connections: ConnectionSource;
  /** Emits how it stands with a port, each time that changes, until the door is closed. */
  readonly status$: Observable<PortStatus>;
  /** How it stands with the ports of an instance, by their numbers; none for one that there is not. */
  status(instanceId: string): readonly PortStatus[];
  /** What it has counted since it was opened, and what there is now. */
  stats(): DoorStats;
  /** Closes every listener and resets every connection. The door stays closed. */
  close(): void;
}

/**
 * Opens a TCP listener for each published port of each instance, and hands clients through to where the machine listens. A client
 * of an instance on Standby waits, and so do its bytes, while the instance is restored, with the cause
 * `{ by: 'front_door', reason: 'connection' }`: all it sees is a slower first answer. Many wake it once.
 *
 * - The address of a port is the same as long as the instance, whatever is done with that.
 * - Who can't be handed through is reset (RST), and counted by why; after a wake that failed nobody wakes the instance again for a
 *   while: half a second, twice as long each time, 30 s at most.
 * - What ends on one side ends on the other in the same way, FIN or RST, each direction for itself. Neither is read faster than the other
 *   takes it.
 * - When the instance stops its connections end; those that have not by themselves are reset after `drainMs`. While it is on Standby
 *   those of a machine that stands still stay, and bytes that a client sends by one wake it.
 * - A connection that comes while a standby is being written down wakes the instance again. Where its machine is gone before it has
 *   said a word, another one is told what the client has said so far: a request that was under way when its machine was halted may
 *   so be seen twice, and one of more than `maxHeldBytes` ends as its machine has.
 *
 * @example
 * ```ts
 * import { once } from 'node:events';
 * import { type AddressInfo, connect, createServer } from 'node:net';
 * import { createFrontDoor, openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom, of } from 'rxjs';
 *
 * const machine = createServer((socket) => {
 *   socket.on('error', () => undefined).end('good morning');
 * }).listen(0, '127.0.0.1');
 * await once(machine, 'listening');
 * const { port } = machine.address() as AddressInfo;
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const addressOf = () => of({ host: '127.0.0.1', port });
 * const door = createFrontDoor({ ...manager, portsOf: () => [{ guest: 80 }], addressOf });
 * const listening = firstValueFrom(door.status$);
 * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * await firstValueFrom(manager.standby('web'));
 *
 * const { address } = await listening;
 * const client = connect(address?.port ?? 0);
 * const [heard] = await once(client, 'data');
 * String(heard); // => 'good morning'
 * await once(client, 'close');
 * (await firstValueFrom(manager.get('web'))).state; // => 'Running'
 * door.close();
 * machine.close();
 * await manager.close();
 * ```
 */
export function createFrontDoor(manager: DoorManager, options: DoorOptions = {}): FrontDoor {
  const settings = doorSettings(options);
  const instances = new Map<string, DoorInstance>();
  const changes = new Subject<ConnectionChange>();
  const statuses = new Subject<PortStatus>();
  const tally = newTally();
  const context: DoorContext = {
    manager,
    settings,
    tally,
    delays: new Delays(),
    changed: (change) => {
      changes.next(change);
    },
    told: (status) => {
      statuses.next(status);
    },
  };

  const take = (instance: Instance): void => {
    const known = instances.get(instance.id);
    if (known === undefined) instances.set(instance.id, new DoorInstance(instance, context));
    else known.changed(instance);
  };

  const remove = (id: string): void => {
    instances.get(id)?.close('not_running');
    instances.delete(id);
  };

  const apply = (change: InstanceChange): void => {
    if (change.kind === 'snapshot') {
      const there = new Set(change.instances.map(({ id }) => id));
      for (const id of instances.keys()) if (!there.has(id)) remove(id);
      change.instances.forEach(take);
    } else if (change.kind === 'upsert') take(change.instance);
    else if (change.kind === 'removed') remove(change.instanceId);
    else for (const instance of instances.values()) instance.beClosing();
  };

  const watching = defer(() => manager.watch('front_door'))
    .pipe(
      retry({
        resetOnSuccess: true,
        delay: (error: unknown, failures) => {
          settings.logger.warn({ err: error }, 'the front door lost sight of the instances');
          return timer(backoffMs(failures));
        },
      }),
    )
    .subscribe(apply);

  const ports = (): readonly PortStatus[] => [...instances.keys()].flatMap(statusOf);
  const statusOf = (instanceId: string): readonly PortStatus[] =>
    [...(instances.get(instanceId)?.ports.values() ?? [])]
      .map(({ status }) => status)
      .sort((one, other) => one.guest - other.guest);
  const connections = (): readonly Connection[] =>
    [...instances.values()].flatMap((instance) =>
      [...instance.ports.values()].flatMap((port) => [...port.connections]),
    );

  return {
    connections: {
      name: 'front_door',
      changes$: changes.asObservable(),
      read: () => defer(() => of(connections())),
    },
    status$: statuses.asObservable(),
    status: statusOf,
    stats: () => {
      const states = ports().map(({ state }) => state);
      const count = (wanted: PortStatus['state']): number =>
        states.filter((state) => state === wanted).length;
      const refused = { ...tally.refused };
      return { ...tally, refused, listening: count('listening'), retrying: count('retrying') };
    },
    close: () => {
      watching.unsubscribe();
      for (const instance of instances.values()) instance.close('closing');
      instances.clear();
      statuses.complete();
    },
  };
}
