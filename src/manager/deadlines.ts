import { type Subscription, timer } from 'rxjs';
import { longestTimerMs } from '../codecs/scalars.js';
import type { Change } from '../lifecycle/event.js';
import type { ExitStatus, Instance } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';

/** By when an instance has to be ready, or to have ended. */
export interface Deadline {
  readonly of: Required<ExitStatus>['timedOut'];
  /** Unix time in milliseconds. */
  readonly at: number;
}

/** The clocks of all instances that have a deadline. */
export interface Deadlines {
  /** Takes in what became of an instance; `leastMs` is how long it has from now on at least to be ready. */
  see(instanceId: string, instance: Instance | undefined, leastMs?: number): void;
  /** Stops all clocks. */
  end(): void;
}

/** Writes into a change by when its instance has to be ready: anew whenever it becomes Initializing. */
export function withReadyBy<C extends Change>(change: C, now: number): C {
  const { instance, previousState } = change;
  if (instance === undefined) return change;
  const timeoutMs = instance.spec.readiness?.timeoutMs;
  const isNew = previousState !== 'Initializing' && timeoutMs !== undefined;
  const from = isNew ? now + timeoutMs : instance.readyBy;
  const by = instance.state === 'Initializing' ? from : undefined;
  if (by === instance.readyBy) return change;
  const { readyBy: _, ...rest } = instance;
  return { ...change, instance: { ...rest, ...(by !== undefined && { readyBy: by }) } };
}

/** The next deadline of an instance as it is; on Standby and Stopped it has none. */
export function deadlineOf({ state, spec, readyBy, startedAt }: Instance): Deadline | undefined {
  const { runTimeoutMs = 0 } = spec;
  const runs = state !== 'Standby' && transition('stop', state).kind === 'move';
  const endBy = runs && runTimeoutMs > 0 && startedAt !== undefined ? startedAt + runTimeoutMs : Infinity;
  if (readyBy !== undefined && readyBy < endBy) return { of: 'readiness', at: readyBy };
  return endBy === Infinity ? undefined : { of: 'run', at: endBy };
}

/** Whether an instance still has this deadline. */
export function isDue(instance: Instance, { of, at }: Deadline): boolean {
  const next = deadlineOf(instance);
  return next?.of === of && next.at === at;
}

/** Creates the {@link Deadlines}; `over` is told when one has come. An instance has one clock at most. */
export function createDeadlines(
  now: () => number,
  over: (instanceId: string, deadline: Deadline) => void,
): Deadlines {
  const clocks = new Map<string, { readonly deadline: Deadline; readonly clock: Subscription }>();

  return {
    see: (instanceId, instance, leastMs = 0) => {
      const known = clocks.get(instanceId);
      // It may have rung, and does so once.
      if (instance !== undefined && known !== undefined && isDue(instance, known.deadline)) return;
      known?.clock.unsubscribe();
      clocks.delete(instanceId);
      const deadline = instance === undefined ? undefined : deadlineOf(instance);
      if (deadline === undefined) return;
      const least = deadline.of === 'readiness' ? leastMs : 0;
      const clock = timer(Math.min(Math.max(deadline.at - now(), least), longestTimerMs)).subscribe(() => {
        over(instanceId, deadline);
      });
      clocks.set(instanceId, { deadline, clock });
    },
    end: () => {
      for (const { clock } of clocks.values()) clock.unsubscribe();
      clocks.clear();
    },
  };
}
