import { Registry } from 'prom-client';
import { consumerMetrics } from '../../src/metrics/consumerMetrics.js';
import type { ConsumerStats } from '../../src/streams/consumers.js';

const none = { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 };
const idle: ConsumerStats = {
  subscribers: 0,
  maxQueueDepth: 0,
  highWater: 0,
  dropped: none,
  lagged: 0,
  resumed: 0,
  thrown: 0,
};
const busy: ConsumerStats = {
  subscribers: 2,
  maxQueueDepth: 3,
  highWater: 5,
  dropped: { buffer_full: 7, overwritten: 11, folded: 13, failed: 17 },
  lagged: 19,
  resumed: 29,
  thrown: 23,
  behind: 31,
};

test('tells of every consumer, also of one that has nothing to tell', async () => {
  const registry = new Registry();
  consumerMetrics(
    (name) => ({ name, registers: [registry] }),
    () => ({ http: idle, billing: busy }),
  );
  expect(await registry.metrics()).toBe(`\
# HELP instances_lifecycle_subscribers Current number of lifecycle event subscribers by consumer
# TYPE instances_lifecycle_subscribers gauge
instances_lifecycle_subscribers{consumer="http"} 0
instances_lifecycle_subscribers{consumer="billing"} 2

# HELP instances_lifecycle_subscriber_queue_depth Length of the longest queue of lifecycle events by consumer
# TYPE instances_lifecycle_subscriber_queue_depth gauge
instances_lifecycle_subscriber_queue_depth{consumer="http"} 0
instances_lifecycle_subscriber_queue_depth{consumer="billing"} 3

# HELP instances_lifecycle_subscriber_queue_high_water Greatest length that any queue of lifecycle events ever had by consumer
# TYPE instances_lifecycle_subscriber_queue_high_water gauge
instances_lifecycle_subscriber_queue_high_water{consumer="http"} 0
instances_lifecycle_subscriber_queue_high_water{consumer="billing"} 5

# HELP instances_lifecycle_consumer_behind_events Number of lifecycle events with which a durable consumer is not done
# TYPE instances_lifecycle_consumer_behind_events gauge
instances_lifecycle_consumer_behind_events{consumer="billing"} 31

# HELP instances_lifecycle_subscriber_lags_total Total number of times that a subscriber was told of lost lifecycle events, or was given a new snapshot
# TYPE instances_lifecycle_subscriber_lags_total counter
instances_lifecycle_subscriber_lags_total{consumer="http"} 0
instances_lifecycle_subscriber_lags_total{consumer="billing"} 19

# HELP instances_lifecycle_resumes_total Total number of times that a subscriber was given lifecycle events from the log, until it had caught up
# TYPE instances_lifecycle_resumes_total counter
instances_lifecycle_resumes_total{consumer="http"} 0
instances_lifecycle_resumes_total{consumer="billing"} 29

# HELP instances_lifecycle_subscriber_errors_total Total number of subscribers that threw and were unsubscribed for it
# TYPE instances_lifecycle_subscriber_errors_total counter
instances_lifecycle_subscriber_errors_total{consumer="http"} 0
instances_lifecycle_subscriber_errors_total{consumer="billing"} 23

# HELP instances_lifecycle_events_dropped_total Total number of lifecycle events dropped because subscriber queues were full
# TYPE instances_lifecycle_events_dropped_total counter
instances_lifecycle_events_dropped_total{consumer="http",reason="buffer_full"} 0
instances_lifecycle_events_dropped_total{consumer="http",reason="overwritten"} 0
instances_lifecycle_events_dropped_total{consumer="http",reason="folded"} 0
instances_lifecycle_events_dropped_total{consumer="http",reason="failed"} 0
instances_lifecycle_events_dropped_total{consumer="billing",reason="buffer_full"} 7
instances_lifecycle_events_dropped_total{consumer="billing",reason="overwritten"} 11
instances_lifecycle_events_dropped_total{consumer="billing",reason="folded"} 13
instances_lifecycle_events_dropped_total{consumer="billing",reason="failed"} 17
`);
});

test('every scrape tells what is true then, however often it is scraped', async () => {
  const registry = new Registry();
  let stats: Record<string, ConsumerStats> = { http: busy };
  consumerMetrics(
    (name) => ({ name, registers: [registry] }),
    () => stats,
  );
  const scrape = async (): Promise<readonly string[]> =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => /(subscribers|lags_total|"failed")[{} ].*\d$/.test(line));
  const first = [
    'instances_lifecycle_subscribers{consumer="http"} 2',
    'instances_lifecycle_subscriber_lags_total{consumer="http"} 19',
    'instances_lifecycle_events_dropped_total{consumer="http",reason="failed"} 17',
  ];
  expect(await scrape()).toEqual(first);
  expect(await Promise.all([scrape(), scrape()])).toEqual([first, first]);

  stats = { http: { ...busy, subscribers: 0, lagged: 20 }, billing: idle };
  expect(await scrape()).toEqual([
    'instances_lifecycle_subscribers{consumer="http"} 0',
    'instances_lifecycle_subscribers{consumer="billing"} 0',
    'instances_lifecycle_subscriber_lags_total{consumer="http"} 20',
    'instances_lifecycle_subscriber_lags_total{consumer="billing"} 0',
    'instances_lifecycle_events_dropped_total{consumer="http",reason="failed"} 17',
    'instances_lifecycle_events_dropped_total{consumer="billing",reason="failed"} 0',
  ]);
});
