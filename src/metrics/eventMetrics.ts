import { Counter, Histogram } from 'prom-client';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { likelyCause } from '../lifecycle/cause.js';
import { actions } from '../lifecycle/state.js';
import { bounded } from './bounded.js';
import { durationBuckets } from './durationBuckets.js';
import type { Named } from './named.js';

/** Counts what happens to instances; what is returned is to be called with every event. */
export function eventMetrics(named: Named): (event: LifecycleEvent) => void {
  const events = new Counter({
    ...named('instances_lifecycle_events_total'),
    help: 'Total number of lifecycle events by action and by who asked for it',
    labelNames: ['action', 'by'],
  });
  const transitions = new Counter({
    ...named('instances_state_transitions_total'),
    help: 'Total number of instance state transitions; absent is the state before the first and after the last',
    labelNames: ['from', 'to'],
  });
  const timeToRunning = new Histogram({
    ...named('instances_time_to_running_seconds'),
    help: 'Time from the start of an instance until it is Running',
    labelNames: ['driver'],
    buckets: durationBuckets,
  });
  const boundedBy = bounded(mostBy);
  for (const action of actions) events.inc({ action, by: boundedBy(likelyCause(action).by) }, 0);

  return ({ action, cause, instance, snapshot, previousState: from = 'absent', time }) => {
    events.inc({ action, by: boundedBy(cause.by) });
    if (snapshot !== undefined) return;
    const to = instance?.state ?? 'absent';
    if (from !== to) transitions.inc({ from, to });
    if (to === 'Running' && begins.has(action) && instance?.startedAt !== undefined) {
      // The clock may have been set back in between.
      timeToRunning.observe({ driver: instance.spec.driver }, Math.max(0, time - instance.startedAt) / 1_000);
    }
  };
}

/** How many values a label has that others choose, before the rest are `other`. */
const mostBy = 64;

/** Actions that can end a start; one that restores an instance does not. */
const begins: ReadonlySet<string> = new Set(['create', 'fork', 'start', 'ready']);
