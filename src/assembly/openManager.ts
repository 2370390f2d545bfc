import * as t from 'io-ts';
import type { ConnectionSource, ConnectionSourceFactory } from '../instances/connectionSource.js';
import type { Controller } from '../instances/controller.js';
import { callback } from '../codecs/callback.js';
import { boundedList } from '../codecs/boundedList.js';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { withMethods } from '../codecs/withMethods.js';
import { createOwnConnections } from '../controllers/ownConnections.js';
import { standardControllers } from '../controllers/standardControllers.js';
import { createDoorController } from '../door/doorController.js';
import { type InstanceManager, openManager as open } from '../manager/instanceManager.js';
import type { ManagerOptions } from '../manager/options.js';

/** How to open a manager, and what acts on its instances. */
export interface OpenManagerOptions extends Omit<ManagerOptions, 'controllers'> {
  /**
   * What acts on the instances while the manager is open, at most 32, each with a name of its own; or what makes them of the standard ones:
   * `auto_standby`, `expiration`, `health_check`, `restart_policy`. With `[]` policies are kept, and nobody acts on them.
   *
   * @defaultValue the standard ones
   */
  readonly controllers?: readonly Controller[] | ((standard: readonly Controller[]) => readonly Controller[]);
  /** Who else knows which clients are connected to instances, for auto-standby. @defaultValue the front door alone */
  readonly connectionSources?: readonly (ConnectionSource | ConnectionSourceFactory)[];
}

/**
 * Opens a manager of instances.
 *
 * With a `dataDir` it begins with the instances that are kept there: whatever became of the manager before, those that still
 * run are taken over, those that have ended meanwhile are in the log as `exit`, a verb that was cut off is finished or undone,
 * and what belongs to no instance is gone. When opening resolves, each instance was looked at meanwhile, and what it should not run
 * any more has ended. What ends after that look is told as ever. Without one it begins with none, and none outlives it: {@link InstanceManager.close} stops them all and
 * removes their homes, which lie in a folder of their own among the system's temporary files. What a manager of this user has
 * left there that ended without `close`, the next one without a `dataDir` removes before it is open, if it has its drivers.
 *
 * The controllers of the policies work while it is open, unless `controllers` says otherwise, and so does the front door, unless
 * `frontDoor` does. When it closes, clients of the front door are reset before any instance is stopped.
 *
 * @throws as a rejection: {@link InvalidRequest} when the options can't be understood, or lack the driver of an instance
 * that is kept; {@link DataDirLocked} when another manager holds the `dataDir`; {@link StoreFailed} when it can't be opened
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const { state } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * state; // => 'Running'
 * await manager.close();
 * ```
 */
export async function openManager(options: OpenManagerOptions): Promise<InstanceManager> {
  // What can't be understood is told by the manager.
  if (!isRecord(options)) return open(options as unknown as ManagerOptions);
  const { connectionSources = [], controllers = ownOnes, ...rest } = options;
  decodeOrThrow(handedIn, { connectionSources });
  const own = createOwnConnections();
  // Who sees no addresses need not be told which are ours.
  const toldOwn = connectionSources.some((source) => typeof source === 'function') ? own : undefined;
  const door = rest.frontDoor === false ? undefined : createDoorController(rest.frontDoor, toldOwn);
  const doors = door === undefined ? [] : [door];
  const { autoStandby = {} } = rest.config ?? {};
  const standard = (): readonly Controller[] =>
    standardControllers({
      sources: [...doors.map(({ connections }) => connections), ...connectionSources],
      own,
      autoStandby,
    });
  const chosen = typeof controllers === 'function' ? controllers(standard()) : controllers;
  const manager = await open({
    ...rest,
    controllers: Array.isArray(chosen) ? [...(chosen as readonly Controller[]), ...doors] : chosen,
  });
  return door === undefined ? manager : { ...manager, doorStats: door.stats };
}

const handedIn = closed(
  'manager options',
  {
    connectionSources: boundedList(
      'connection sources (at most 16)',
      t.union([withMethods('a connection source', 'read'), callback], 'a connection source'),
      0,
      16,
    ),
  },
  {},
);

const ownOnes = (standard: readonly Controller[]): readonly Controller[] => standard;
