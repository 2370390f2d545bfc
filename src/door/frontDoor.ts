import {
  concat,
  defer,
  EMPTY,
  filter,
  from,
  map,
  type Observable,
  of,
  retry,
  Subject,
  take,
  timer,
} from 'rxjs';
import type { Connection, ConnectionChange, ConnectionSource } from '../instances/connectionSource.js';
import type { Decision } from '../instances/controller.js';
import type { DoorStats } from '../instances/doorStats.js';
import type { FrontDoorOptions } from '../instances/frontDoorOptions.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { Instance } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import { Delays } from '../streams/delays.js';
import { backoffMs } from './backoff.js';
import type { DoorContext } from './doorContext.js';
import { DoorInstance } from './doorInstance.js';
import type { DoorManager } from './doorManager.js';
import { type DoorTools, doorSettings } from './doorOptions.js';
import { newTally } from './doorTally.js';
import type { ToldStatus } from './toldStatus.js';

/** What listens for the published ports of all instances. */
export interface FrontDoor {
  /** Who is connected, those who wait included. */
  readonly connections: ConnectionSource;
  /** Emits each wake that was done or has failed, until the door is closed. */
  readonly decisions$: Observable<Decision>;
  /** Emits how it stands with a port, each time that changes, until the door is closed. */
  readonly status$: Observable<ToldStatus>;
  /** How it stands with the ports of an instance, by their numbers; none for one that there is not. */
  status(instanceId: string): readonly ToldStatus[];
  /** Emits where it listens for a port of an instance, once it does; nothing where it does not, or can't for now. */
  endpoint(instance: Instance, guest: number): Observable<Endpoint>;
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
 */
export function createFrontDoor(manager: DoorManager, options: FrontDoorOptions & DoorTools = {}): FrontDoor {
  const settings = doorSettings(options);
  const instances = new Map<string, DoorInstance>();
  const changes = new Subject<ConnectionChange>();
  const statuses = new Subject<ToldStatus>();
  const decisions = new Subject<Decision>();
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
    decided: (decision) => {
      decisions.next(decision);
    },
  };

  const see = (instance: Instance): void => {
    const known = instances.get(instance.id);
    if (known !== undefined) known.changed(instance);
    // Most have no ports, and so cost nothing.
    else if (manager.portsOf(instance).length > 0)
      instances.set(instance.id, new DoorInstance(instance, context));
  };

  const remove = (id: string): void => {
    instances.get(id)?.close('not_running');
    instances.delete(id);
    settings.keptPorts?.forget(id);
  };

  const apply = (change: InstanceChange): void => {
    if (change.kind === 'snapshot') {
      const there = new Set(change.instances.map(({ id }) => id));
      for (const id of instances.keys()) if (!there.has(id)) remove(id);
      change.instances.forEach(see);
    } else if (change.kind === 'upsert') see(change.instance);
    else if (change.kind === 'removed') remove(change.instanceId);
    else for (const instance of instances.values()) instance.beClosing();
  };

  const watching = defer(() => manager.watch())
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

  const ports = (): readonly ToldStatus[] => [...instances.keys()].flatMap(statusOf);
  const statusOf = (instanceId: string): readonly ToldStatus[] =>
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
    decisions$: decisions.asObservable(),
    status$: statuses.asObservable(),
    status: statusOf,
    endpoint: (instance, guest) =>
      defer(() => {
        if (!manager.portsOf(instance).some((port) => port.guest === guest)) return EMPTY;
        // What it is now may be told to the door only later.
        instances.get(instance.id)?.changed(instance);
        return concat(from(statusOf(instance.id)), statuses);
      }).pipe(
        filter((its) => its.instanceId === instance.id && its.guest === guest && its.state !== 'opening'),
        take(1),
        filter(({ state }) => state === 'listening'),
        map(({ address }) => address),
        filter((address) => address !== undefined),
      ),
    stats: () => {
      const states = ports().map(({ state }) => state);
      const count = (wanted: ToldStatus['state']): number =>
        states.filter((state) => state === wanted).length;
      const refused = { ...tally.refused };
      return { ...tally, refused, listening: count('listening'), retrying: count('retrying') };
    },
    close: () => {
      watching.unsubscribe();
      for (const instance of instances.values()) instance.close('closing');
      instances.clear();
      statuses.complete();
      decisions.complete();
    },
  };
}
