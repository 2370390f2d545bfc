import { wireInstance } from '../codecs/wire/wireInstance.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import type { HealthStatus, InstanceStatus, RestartStatus } from '../instances/instanceStatus.js';
import type { Instance } from '../lifecycle/instance.js';
import { sizeOf } from './sizes.js';

/**
 * Writes an instance as hypeman does, and beside that what hypeman does not have, as it is on every wire of this package: where both have
 * a field of one name (`network`, `vcpus`) hypeman's stands. What drivers need to find a machine again is not told.
 *
 * @see hypeman `cmd/api/api/instances.go`, `instanceToOAPI`
 */
export function hypemanInstance(instance: Instance, status: InstanceStatus = {}): object {
  const { handle, env, tags, network, vcpus, ...wire } = wireInstance.encode(instance);
  const { spec, state, exit } = instance;
  return {
    ...wire,
    ...(Object.keys(spec.env).length > 0 && { env }),
    ...(Object.keys(spec.tags).length > 0 && { tags }),
    hypervisor: spec.driver,
    size: sizeOf((spec.memoryMiB ?? 0) * 2 ** 20),
    hotplug_size: sizeOf(0),
    overlay_size: sizeOf(0),
    vcpus: spec.vcpus ?? 0,
    has_snapshot: state === 'Standby',
    ...(spec.network !== undefined && { network: networkOf(spec.network === 'user') }),
    expires_at: spec.expiresAt === undefined ? null : wireTime.encode(spec.expiresAt),
    ...(exit?.signal != null && { exit_message: `killed by ${exit.signal}` }),
    health_status: status.healthCheck === undefined ? unheardOf(instance) : healthOf(status.healthCheck),
    ...(status.restartPolicy !== undefined && restartOf(status.restartPolicy)),
  };
}

const networkOf = (enabled: boolean): object => ({ enabled, ...(enabled && { name: 'default' }) });

const timeOf = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : wireTime.encode(time);

/** What there is to say where no controller does: there is no check, or it has not been heard of yet. */
const unheardOf = ({ spec, state }: Instance): object => ({
  status:
    spec.healthCheck === undefined
      ? 'disabled'
      : state === 'Running' || state === 'Initializing'
        ? 'starting'
        : 'unknown',
  consecutive_successes: 0,
  consecutive_failures: 0,
});

const healthOf = (health: HealthStatus): object => ({
  status: health.status,
  consecutive_successes: health.consecutiveSuccesses,
  consecutive_failures: health.consecutiveFailures,
  last_checked_at: timeOf(health.lastCheckedAt),
  last_success_at: timeOf(health.lastSuccessAt),
  last_failure_at: timeOf(health.lastFailureAt),
  last_error: health.lastError,
});

/** Left out while there is nothing to tell. */
function restartOf(restart: RestartStatus): object {
  const { attempts, lastAttemptAt, nextAttemptAt, blockedReason, lastReason } = restart;
  if (attempts === 0 && nextAttemptAt === undefined && blockedReason === undefined) return {};
  return {
    restart_status: {
      attempts,
      last_attempt_at: timeOf(lastAttemptAt),
      next_attempt_at: timeOf(nextAttemptAt),
      blocked_reason: blockedReason,
      // hypeman has no word for an end.
      last_reason: lastReason === 'unhealthy' ? 'health_check_failed' : undefined,
    },
  };
}
