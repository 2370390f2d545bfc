import type { Observable } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { PublishedPort } from './publishedPort.js';

/** Where something listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * What the door needs of a manager. `refresh` has its turn after the verbs before it: so it tells what came of a standby
 * that is being written down.
 */
export interface DoorManager
  extends Pick<Instances, 'refresh' | 'restore' | 'start'>, Pick<LifecycleStreams, 'watch'> {
  /** The ports that an instance publishes, each `guest` once. */
  portsOf(instance: Instance): readonly PublishedPort[];
  /** Emits where the machine itself listens for a port within it. Asked again after each change of state, and after a failed connect. */
  addressOf(instanceId: string, guest: number): Observable<Address>;
}

/** Keeps the ports that were chosen for instances, beyond a restart of the manager and as long as the instance. */
export interface KeptPorts {
  /** Emits the port of this host that was chosen for a port of an instance, `undefined` before there is one. */
  load(instanceId: string, guest: number): Observable<number | undefined>;
  /** Completes when it is kept. */
  save(instanceId: string, guest: number, host: number): Observable<unknown>;
}
