import { Counter, Gauge } from 'prom-client';
import type { WebhookStats } from '../instances/webhooks.js';
import type { Named } from './named.js';

/** Tells what becomes of webhooks: read when it is scraped, in labels that are bounded whatever the number of endpoints. */
export function webhookMetrics(named: Named, stats: () => WebhookStats): void {
  new Gauge({
    ...named('webhook_endpoints'),
    help: 'Current number of endpoints of webhooks by state',
    labelNames: ['state'],
    collect() {
      for (const [state, count] of Object.entries(stats().endpoints)) this.set({ state }, count);
    },
  });
  new Gauge({
    ...named('webhook_lag_events'),
    help: 'Events that the endpoint is behind that is furthest behind and not disabled',
    collect() {
      this.set(stats().lag);
    },
  });
  // What is read is the sum so far, so each scrape begins at 0.
  new Counter({
    ...named('webhook_attempts_total'),
    help: 'Total number of attempts to send an event to an endpoint by what came of it',
    labelNames: ['outcome'],
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(stats().attempts)) this.inc({ outcome }, count);
    },
  });
  new Counter({
    ...named('webhook_cursors_expired_total'),
    help: 'Total number of times that the log had lost events that an endpoint had not been sent',
    collect() {
      this.reset();
      this.inc(stats().expired);
    },
  });
}
