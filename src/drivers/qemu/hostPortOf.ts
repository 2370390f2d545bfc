import type { Instance } from '../../lifecycle/instance.js';
import { isQemuHandle } from './qemuHandle.js';

/**
 * The port on 127.0.0.1 that leads to a port of a virtual machine while it runs; `undefined` when none does. It is another one
 * after each start and restore. `endpoint` of the manager emits the same for every driver.
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { hostPortOf } from 'rx-instances/qemu';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const instance = await firstValueFrom(manager.create({ name: 'no-machine', image: 'any' }));
 * hostPortOf(instance, 80); // => undefined
 * await manager.close();
 * ```
 */
export const hostPortOf = ({ handle }: Pick<Instance, 'handle'>, guest: number): number | undefined =>
  isQemuHandle(handle) ? handle.ports.find((port) => port.guest === guest)?.host : undefined;
