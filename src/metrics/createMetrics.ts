import { type OpenMetricsContentType, Registry } from 'prom-client';
import { noop, Subscription } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { text } from '../codecs/scalars.js';
import { withMethods } from '../codecs/withMethods.js';
import { InvalidRequest } from '../lifecycle/errors.js';
import type { Webhooks } from '../instances/webhooks.js';
import type { InstanceManager } from '../manager/instanceManager.js';
import { autoStandbyMetrics } from './autoStandbyMetrics.js';
import { consumerMetrics } from './consumerMetrics.js';
import { doorMetrics } from './doorMetrics.js';
import { eventMetrics } from './eventMetrics.js';
import { instancesGauge } from './instancesGauge.js';
import { measurementMetrics } from './measurementMetrics.js';
import type { Named } from './named.js';
import { webhookMetrics } from './webhookMetrics.js';

/** Where metrics go, and how they are called. */
export interface MetricsOptions {
  /** The registry that the metrics join; there is no default one. */
  readonly registry: Registry | Registry<OpenMetricsContentType>;
  /** What every name begins with, such as `hypeman_`. @defaultValue none */
  readonly prefix?: string;
  /** Webhooks of the manager, which are told too. @defaultValue none: their series are not there */
  readonly webhooks?: Pick<Webhooks, 'stats'>;
}

/**
 * Tells Prometheus of a manager: adds its metrics to a registry, and keeps them up to date until it is unsubscribed;
 * then they are removed. The series are listed in `src/metrics/README.md`.
 *
 * Events, waits, verbs, commits and decisions of controllers are counted from now on; statistics of consumers and of the front door are
 * those of the manager's whole life. Numbers of instances are read at each scrape. When the manager closes, what was counted stays to be scraped.
 *
 * @throws `InvalidRequest` when the options can't be understood, or when the registry holds one of the names
 * already; nothing is added then. Two managers share a registry under different prefixes.
 *
 * @example
 * ```ts
 * import { Registry } from 'prom-client';
 * import { openManager } from 'rx-instances';
 * import { createMetrics } from 'rx-instances/metrics';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { lastValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const registry = new Registry();
 * const metrics = createMetrics(manager, { registry });
 * await lastValueFrom(manager.create({ name: 'web', image: 'any' }));
 *
 * const scrape = (await registry.metrics()).split('\n');
 * scrape.includes('instances_lifecycle_events_total{action="create",by="caller"} 1'); // => true
 * scrape.includes('instances{driver="memory",state="Running"} 1'); // => true
 * metrics.unsubscribe();
 * await manager.close();
 * ```
 *
 * @see hypeman `lib/instances/metrics.go`
 */
export function createMetrics(
  manager: Pick<InstanceManager, 'doorStats' | 'events' | 'list' | 'measurements$' | 'stats' | 'status'>,
  options: MetricsOptions,
): Subscription {
  decodeOrThrow(metricsOptions, options);
  const { registry, prefix = '', webhooks } = options;
  // Apart from the others until all are known to have room.
  const own = new Registry();
  const named: Named = (name) => ({ name: `${prefix}${name}`, registers: [own] });

  instancesGauge(named, () => manager.list());
  consumerMetrics(named, () => manager.stats());
  const countEvent = eventMetrics(named);
  const record = measurementMetrics(named);
  autoStandbyMetrics(named, manager);
  if (manager.doorStats !== undefined) doorMetrics(named, manager.doorStats);
  if (webhooks !== undefined) webhookMetrics(named, () => webhooks.stats());

  const subscription = new Subscription(join(own, registry));
  // An error would end the listening only: what was counted stays.
  subscription.add(manager.events('metrics').subscribe({ next: countEvent, error: noop }));
  subscription.add(manager.measurements$.subscribe({ next: record, error: noop }));
  return subscription;
}

/** Adds all of one registry's metrics to another, or none; what is returned takes them out again. */
function join(own: Registry, registry: MetricsOptions['registry']): () => void {
  // By name from the start: a registry of the OpenMetrics format renames its counters when it is scraped.
  const metrics = own.getMetricsAsArray().flatMap(({ name }) => {
    const metric = own.getSingleMetric(name);
    return metric === undefined ? [] : [{ name, metric }];
  });
  const taken = metrics
    .map(({ name }) => name)
    .filter((name) => registry.getSingleMetric(name) !== undefined);
  if (taken.length > 0) {
    const expected = 'a registry without them, or another prefix';
    throw new InvalidRequest({ faults: [{ path: 'registry', found: taken.join(', '), expected }] });
  }
  for (const { metric } of metrics) registry.registerMetric(metric);
  return () => {
    for (const { name, metric } of metrics) {
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name);
    }
  };
}

const metricsOptions = closed(
  'metrics options',
  { registry: withMethods('a Registry', 'getSingleMetric', 'registerMetric', 'removeSingleMetric') },
  {
    webhooks: withMethods('webhooks', 'stats'),
    // Colons are for recording rules.
    prefix: text(
      'a prefix (empty, or a letter or underscore, then letters, digits and underscores; 64 at most)',
      (value) => /^([a-zA-Z_]\w{0,63})?$/.test(value),
    ),
  },
);
