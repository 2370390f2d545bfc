import { Counter, Histogram } from 'prom-client';
import type { Measurement } from '../manager/measurement.js';
import { bounded } from './bounded.js';
import { durationBuckets } from './durationBuckets.js';
import type { Named } from './named.js';

/** Records what verbs, waits and commits took, and what controllers did; what is returned is to be called with every measurement. */
export function measurementMetrics(named: Named): (measurement: Measurement) => void {
  const verbs = new Histogram({
    ...named('instances_verb_duration_seconds'),
    help: 'Time that verbs took, their turn in the queue of the instance included, by result',
    labelNames: ['verb', 'result'],
    buckets: durationBuckets,
  });
  const execs = new Histogram({
    ...named('instances_exec_duration_seconds'),
    help: 'Time that programs run by exec took, by driver and result',
    labelNames: ['driver', 'result'],
    buckets: durationBuckets,
  });
  const waits = new Counter({
    ...named('instances_waits_total'),
    help: 'Total number of waits for a state that ended, by outcome and by what decided it',
    labelNames: ['outcome', 'via'],
  });
  const waitSeconds = new Histogram({
    ...named('instances_wait_duration_seconds'),
    help: 'Time that waits for a state took by outcome',
    labelNames: ['outcome'],
    buckets: durationBuckets,
  });
  const commits = new Histogram({
    ...named('instances_store_commit_duration_seconds'),
    help: 'Time that the store took to keep a change and its event',
    buckets: durationBuckets,
  });
  const foundByPoll = new Counter({
    ...named('instances_changes_found_by_poll_total'),
    help: 'Total number of changes that a poll found and no event had told',
  });
  const decisions = new Counter({
    ...named('instances_controller_decisions_total'),
    help: 'Total number of things that controllers did to instances, by what, why, and what came of it',
    labelNames: ['controller', 'verb', 'reason', 'result'],
  });
  const failures = new Counter({
    ...named('instances_controller_failures_total'),
    help: 'Total number of times that a controller failed and was opened again',
    labelNames: ['controller'],
  });
  // Of these the application may have its own.
  const [verbOf, reasonOf, resultOf] = [bounded(mostWords), bounded(mostWords), bounded(mostWords)];
  for (const end of waitEnds) waits.inc(end, 0);

  return (measurement) => {
    switch (measurement.kind) {
      case 'verb':
        verbs.observe({ verb: measurement.verb, result: measurement.result }, measurement.seconds);
        break;
      case 'exec':
        execs.observe({ driver: measurement.driver, result: measurement.result }, measurement.seconds);
        break;
      case 'wait':
        waits.inc({ outcome: measurement.outcome, via: measurement.via });
        waitSeconds.observe({ outcome: measurement.outcome }, measurement.seconds);
        break;
      case 'commit':
        commits.observe(measurement.seconds);
        break;
      case 'found_by_poll':
        foundByPoll.inc();
        break;
      case 'decision': {
        const { controller, verb, reason, result } = measurement;
        decisions.inc({ controller, verb: verbOf(verb), reason: reasonOf(reason), result: resultOf(result) });
        break;
      }
      case 'controller_failed':
        failures.inc({ controller: measurement.controller });
        break;
    }
  };
}

/** How many values a label has that others choose. */
const mostWords = 32;

const waitEnds = [
  ...['reached', 'unreachable'].flatMap((outcome) =>
    ['read', 'event', 'poll', 'deadline'].map((via) => ({ outcome, via })),
  ),
  { outcome: 'timed_out', via: 'deadline' },
  { outcome: 'failed', via: 'none' },
];
