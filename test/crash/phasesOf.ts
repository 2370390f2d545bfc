import type { InstanceStatus } from '../../src/instances/instanceStatus.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Phase } from './told.js';

/** What is under way with an instance. */
export function phasesOf({ autoStandby, healthCheck, restartPolicy }: InstanceStatus): readonly Phase[] {
  const phases: readonly (readonly [Phase, boolean])[] = [
    ['idle', autoStandby?.status === 'idle_countdown'],
    ['standby_requested', autoStandby?.status === 'standby_requested'],
    ['failing', healthCheck?.status !== 'unhealthy' && (healthCheck?.consecutiveFailures ?? 0) > 0],
    ['backing_off', restartPolicy?.nextAttemptAt !== undefined],
  ];
  return phases.flatMap(([phase, isSo]) => (isSo ? [phase] : []));
}

/** What is under way after an event. */
export const phaseAfter = ({ action, cause }: LifecycleEvent): Phase | undefined =>
  action === 'stop' && cause.by === 'restart_policy' ? 'restarting' : undefined;
