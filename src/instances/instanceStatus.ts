import type { Endpoint } from '../lifecycle/endpoint.js';

/** What the controllers know of an instance; of a policy that it does not have nothing is told. */
export interface InstanceStatus {
  readonly restartPolicy?: RestartStatus;
  readonly healthCheck?: HealthStatus;
  readonly autoStandby?: AutoStandbyStatus;
  readonly expiration?: ExpirationStatus;
  /** How it stands with its ports, by their `guest`. */
  readonly frontDoor?: readonly PortStatus[];
  /** What controllers of the application say, by what they call it. */
  readonly [others: string]: unknown;
}

/** How an instance is started again. Times are Unix times in milliseconds. */
export interface RestartStatus {
  /** How many attempts there were since it last ran for as long as the policy asks. */
  readonly attempts: number;
  /** When the last one began. */
  readonly lastAttemptAt?: number;
  /** When the next one begins. */
  readonly nextAttemptAt?: number;
  /** Why there is no further one. `manual_stop`: somebody stopped it, and has to start it. `max_attempts_exceeded`: as the policy asks. */
  readonly blockedReason?: 'manual_stop' | 'max_attempts_exceeded';
  /** What the last attempt was made for. */
  readonly lastReason?: 'exit' | 'unhealthy';
}

/** Whether an instance does its work. Times are Unix times in milliseconds. */
export interface HealthStatus {
  /** `starting`: it is Initializing, or there is no verdict yet. `unknown`: it does not run. */
  readonly status: 'starting' | 'healthy' | 'unhealthy' | 'unknown';
  readonly consecutiveSuccesses: number;
  readonly consecutiveFailures: number;
  readonly lastCheckedAt?: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  /** Why the last probe failed: at most 512 bytes. */
  readonly lastError?: string;
}

/** Whether an instance is about to be put on standby. Times are Unix times in milliseconds. */
export interface AutoStandbyStatus {
  readonly status:
    | 'unsupported'
    | 'disabled'
    | 'ineligible'
    | 'active'
    | 'idle_countdown'
    | 'ready_for_standby'
    | 'standby_requested'
    | 'error';
  readonly reason:
    | 'unsupported_platform'
    | 'policy_missing'
    | 'policy_disabled'
    | 'instance_not_running'
    | 'network_disabled'
    | 'active_inbound_connections'
    | 'idle_timeout_not_elapsed'
    | 'observer_error'
    | 'ready_for_standby';
  /** How many connections there are that count. */
  readonly activeConnections: number;
  /** Since when there is none. */
  readonly idleSince?: number;
  readonly lastInboundAt?: number;
  readonly nextStandbyAt?: number;
  /** Until when it was asked to be left. */
  readonly holdUntil?: number;
}

/** How it stands with a port for which the front door listens. */
export interface PortStatus {
  readonly guest: number;
  /** `opening` is a moment; `retrying` lasts until the address is free. */
  readonly state: 'opening' | 'listening' | 'retrying';
  /** Where clients connect to, once that is known; it stays the same as long as the instance. */
  readonly address?: Endpoint;
  /** Why it is `retrying`. */
  readonly reason?: string;
}

/** When an instance is deleted. */
export interface ExpirationStatus {
  /** Unix time in milliseconds. */
  readonly expiresAt: number;
}
