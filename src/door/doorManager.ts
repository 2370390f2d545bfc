import type { Observable } from 'rxjs';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { ForwardedPort, Instance } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import type { Instances } from '../instances/instances.js';

/**
 * What the door needs of a manager. `refresh` has its turn after the verbs before it: so it tells what came of a standby
 * that is being written down.
 */
export interface DoorManager extends Pick<Instances, 'refresh' | 'restore' | 'start'> {
  watch(): Observable<InstanceChange>;
  /** The ports for which it listens, each `guest` once. Asked again after each change of the instance. */
  portsOf(instance: Instance): readonly ForwardedPort[];
  /** Where the machine itself listens for a port within it. Asked again after each change of state, and after a failed connect. */
  addressOf(instanceId: string, guest: number): Endpoint | undefined;
}

/** Keeps the ports that were chosen for instances, beyond a restart of the manager and as long as the instance. */
export interface KeptPorts {
  /** The port of this host that was chosen for a port of an instance. */
  of(instanceId: string, guest: number): number | undefined;
  /** Completes when it is kept. */
  save(instanceId: string, guest: number, host: number): Observable<never>;
  /** The instance is gone. */
  forget(instanceId: string): void;
}
