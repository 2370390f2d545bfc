import { durationOf } from '../codecs/duration.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import type { AutoStandbyStatus } from '../instances/instanceStatus.js';
import type { Instance } from '../lifecycle/instance.js';

type Told = Pick<AutoStandbyStatus, 'status' | 'reason'>;

/** What is told where no controller has anything to tell. */
const missing: Told = { status: 'disabled', reason: 'policy_missing' };
const unsupported: Told = { status: 'unsupported', reason: 'unsupported_platform' };

const ineligible: ReadonlySet<AutoStandbyStatus['status']> = new Set([
  'unsupported',
  'disabled',
  'ineligible',
]);

/** Writes how auto-standby stands with an instance, as hypeman does. */
export function hypemanAutoStandby(
  { spec }: Instance,
  known: AutoStandbyStatus | undefined,
  now: number,
): object {
  const policy = spec.autoStandby;
  const { status, reason } = known ?? (policy === undefined ? missing : unsupported);
  return {
    supported: status !== 'unsupported',
    configured: policy !== undefined,
    enabled: policy?.enabled === true,
    eligible: !ineligible.has(status),
    status,
    reason,
    active_inbound_connections: known?.activeConnections ?? 0,
    tracking_mode: 'connection_sources',
    idle_timeout: policy?.enabled === true ? durationOf(policy.idleTimeoutMs) : null,
    idle_since: timeOf(known?.idleSince),
    last_inbound_activity_at: timeOf(known?.lastInboundAt),
    next_standby_at: timeOf(known?.nextStandbyAt),
    hold_until: timeOf(known?.holdUntil),
    countdown_remaining:
      known?.nextStandbyAt === undefined ? null : durationOf(Math.max(0, known.nextStandbyAt - now)),
  };
}

const timeOf = (time: number | undefined): string | null =>
  time === undefined ? null : wireTime.encode(time);
