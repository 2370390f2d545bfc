import type { ConnectionSource, ConnectionSourceFactory } from '../instances/connectionSource.js';
import type { Controller } from '../instances/controller.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import { createAutoStandby } from './autoStandby.js';
import { createExpiration } from './expiration.js';
import { createHealthChecks } from './healthCheck.js';
import { createOwnConnections } from './ownConnections.js';
import { createProbe } from './probes/probe.js';
import { createRestartPolicy } from './restartPolicy.js';

/** What the controllers of the policies are handed. */
export interface StandardControllersOptions {
  /** Who knows which clients are connected, for auto-standby. @defaultValue nobody: nothing is put on standby by itself */
  readonly sources?: readonly (ConnectionSource | ConnectionSourceFactory)[];
  /** What knows the connections to machines that are no clients, if others than these controllers open some. */
  readonly own?: OwnConnections;
  /** The part of a `Config` of `rx-instances/config` that concerns auto-standby. */
  readonly autoStandby?: {
    /** How many instances are put on standby at a time. @defaultValue 16 */
    readonly maxConcurrent?: number;
  };
}

/** The controllers that act on the policies of instances. */
export function standardControllers({
  sources = [],
  own = createOwnConnections(),
  autoStandby = {},
}: StandardControllersOptions = {}): readonly Controller[] {
  const healthChecks = createHealthChecks(createProbe(own));
  return [
    createAutoStandby({ sources, own, ...autoStandby }),
    createExpiration(),
    healthChecks.controller,
    createRestartPolicy(healthChecks.health$),
  ];
}
