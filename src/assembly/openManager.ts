import { isRecord } from '../codecs/closed.js';
import { standardControllers } from '../controllers/standardControllers.js';
import { createDoorController } from '../door/doorController.js';
import { type InstanceManager, openManager as open } from '../manager/instanceManager.js';
import type { ManagerOptions } from '../manager/options.js';

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
 * The controllers of the policies ({@link standardControllers}) work while it is open, unless `controllers` says otherwise, and so does the
 * front door, unless `frontDoor` does. When it closes, clients of the front door are reset before any instance is stopped.
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
export async function openManager(options: ManagerOptions): Promise<InstanceManager> {
  // What can't be understood is told by the manager.
  if (!isRecord(options) || !Array.isArray(options.controllers ?? [])) return open(options);
  const { frontDoor, controllers = standardControllers() } = options;
  if (frontDoor === false) return open({ ...options, controllers });
  const door = createDoorController(frontDoor);
  const manager = await open({ ...options, controllers: [...controllers, door] });
  return { ...manager, doorStats: door.stats };
}
