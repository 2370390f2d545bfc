import { Counter, Gauge } from 'prom-client';
import type { ConsumerStats } from '../streams/consumers.js';
import type { Named } from './named.js';

/** Tells what every consumer's subscribers are doing: read when it is scraped, so that publishing pays nothing. */
export function consumerMetrics(named: Named, stats: () => Readonly<Record<string, ConsumerStats>>): void {
  const gauge = (name: string, help: string, read: (stats: ConsumerStats) => number) =>
    new Gauge({
      ...named(name),
      help,
      labelNames: ['consumer'],
      collect() {
        for (const [consumer, its] of Object.entries(stats())) this.set({ consumer }, read(its));
      },
    });

  // What is read is the sum so far, so each scrape begins at 0.
  const counter = (name: string, help: string, read: (stats: ConsumerStats) => number) =>
    new Counter({
      ...named(name),
      help,
      labelNames: ['consumer'],
      collect() {
        this.reset();
        for (const [consumer, its] of Object.entries(stats())) this.inc({ consumer }, read(its));
      },
    });

  gauge(
    'instances_lifecycle_subscribers',
    'Current number of lifecycle event subscribers by consumer',
    ({ subscribers }) => subscribers,
  );
  gauge(
    'instances_lifecycle_subscriber_queue_depth',
    'Length of the longest queue of lifecycle events by consumer',
    ({ maxQueueDepth }) => maxQueueDepth,
  );
  gauge(
    'instances_lifecycle_subscriber_queue_high_water',
    'Greatest length that any queue of lifecycle events ever had by consumer',
    ({ highWater }) => highWater,
  );
  new Gauge({
    ...named('instances_lifecycle_consumer_behind_events'),
    help: 'Number of lifecycle events with which a durable consumer is not done',
    labelNames: ['consumer'],
    collect() {
      for (const [consumer, { behind }] of Object.entries(stats()))
        if (behind !== undefined) this.set({ consumer }, behind);
    },
  });
  counter(
    'instances_lifecycle_subscriber_lags_total',
    'Total number of times that a subscriber was told of lost lifecycle events, or was given a new snapshot',
    ({ lagged }) => lagged,
  );
  counter(
    'instances_lifecycle_resumes_total',
    'Total number of times that a subscriber was given lifecycle events from the log, until it had caught up',
    ({ resumed }) => resumed,
  );
  counter(
    'instances_lifecycle_subscriber_errors_total',
    'Total number of subscribers that threw and were unsubscribed for it',
    ({ thrown }) => thrown,
  );
  new Counter({
    ...named('instances_lifecycle_events_dropped_total'),
    help: 'Total number of lifecycle events dropped because subscriber queues were full',
    labelNames: ['consumer', 'reason'],
    collect() {
      this.reset();
      for (const [consumer, { dropped }] of Object.entries(stats())) {
        for (const [reason, count] of Object.entries(dropped)) this.inc({ consumer, reason }, count);
      }
    },
  });
}
