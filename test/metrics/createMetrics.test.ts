import * as fc from 'fast-check';
import { Counter, Gauge, type OpenMetricsContentType, Registry } from 'prom-client';
import {
  concat,
  concatMap,
  EMPTY,
  from,
  lastValueFrom,
  map,
  mergeMap,
  of,
  range,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { createMemoryDriver } from '../../src/drivers/memory/memoryDriver.js';
import { InvalidRequest } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import type { Measurement } from '../../src/manager/measurement.js';
import { openManager } from '../../src/manager/instanceManager.js';
import { createMetrics } from '../../src/metrics/createMetrics.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';

const instance: Instance = {
  id: 'web',
  name: 'web',
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  state: 'Running',
  revision: 1,
  createdAt: 0,
  startedAt: 0,
};

const event = (sequence: number): LifecycleEvent => ({
  epoch: 'e',
  sequence,
  time: 0,
  cause: { by: 'caller' },
  action: 'update',
  instanceId: 'web',
  instance,
  previousState: 'Running',
});

/** What metrics need of a manager, made by hand. */
function handMade() {
  const bus = createLifecycleBus({ consumers: ['metrics'] });
  const measurements$ = new Subject<Measurement>();
  const reads = { list: () => of([instance]), status: () => of({}) };
  const manager = { events: bus.events, stats: bus.stats, measurements$, ...reads };
  return { bus, measurements$, manager };
}

/** Every sample of a scrape by its series. */
async function scrape(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

const names = [
  'instances',
  'instances_lifecycle_subscribers',
  'instances_lifecycle_subscriber_queue_depth',
  'instances_lifecycle_subscriber_queue_high_water',
  'instances_lifecycle_consumer_behind_events',
  'instances_lifecycle_subscriber_lags_total',
  'instances_lifecycle_resumes_total',
  'instances_lifecycle_subscriber_errors_total',
  'instances_lifecycle_events_dropped_total',
  'instances_lifecycle_events_total',
  'instances_state_transitions_total',
  'instances_time_to_running_seconds',
  'instances_verb_duration_seconds',
  'instances_exec_duration_seconds',
  'instances_waits_total',
  'instances_wait_duration_seconds',
  'instances_store_commit_duration_seconds',
  'instances_changes_found_by_poll_total',
  'instances_controller_decisions_total',
  'instances_controller_failures_total',
  'auto_standby_instances',
  'auto_standby_active_connections',
];

const namesIn = (registry: Registry): readonly string[] =>
  registry.getMetricsAsArray().map(({ name }) => name);

describe('names', () => {
  test('are these, in this order', () => {
    const registry = new Registry();
    createMetrics(handMade().manager, { registry }).unsubscribe();
    const metrics = createMetrics(handMade().manager, { registry });
    expect(namesIn(registry)).toEqual(names);
    metrics.unsubscribe();
  });

  test('are as Prometheus wants them', async () => {
    const registry = new Registry();
    const { bus, manager, measurements$ } = handMade();
    const metrics = createMetrics(manager, { registry });
    bus.publish(event(1));
    measurements$.next({ kind: 'verb', verb: 'stop', result: 'ok', seconds: 1 });
    for (const { name, type, help } of await registry.getMetricsAsJSON()) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
      expect([name, name.endsWith('_total')]).toEqual([name, String(type) === 'counter']);
      expect([name, name.endsWith('_seconds')]).toEqual([name, String(type) === 'histogram']);
      expect(name).not.toMatch(/_(bucket|sum|count|created|info|ms|milliseconds)$/);
      expect(help).toMatch(/^[A-Z][^\n]*[^.\n]$/);
    }
    metrics.unsubscribe();
  });

  test('begin with the prefix, each of them', () => {
    const registry = new Registry();
    const metrics = createMetrics(handMade().manager, { registry, prefix: 'hypeman_' });
    expect(namesIn(registry)).toEqual(names.map((name) => `hypeman_${name}`));
    metrics.unsubscribe();
    expect(namesIn(registry)).toEqual([]);
  });
});

describe('options', () => {
  const refusal = (options: unknown): unknown => {
    const { bus, manager } = handMade();
    try {
      createMetrics(manager, options as never);
      return 'none';
    } catch (error) {
      expect(bus.stats()['metrics']?.subscribers).toBe(0);
      return error;
    }
  };
  const prefix =
    'a prefix (empty, or a letter or underscore, then letters, digits and underscores; 64 at most)';
  const registry = new Registry();

  test.each<[string, string, string, unknown]>([
    ['prefix', "'1a'", prefix, { registry, prefix: '1a' }],
    ['prefix', "'a-b'", prefix, { registry, prefix: 'a-b' }],
    ['prefix', "'a:'", prefix, { registry, prefix: 'a:' }],
    ['prefix', "':a'", prefix, { registry, prefix: ':a' }],
    ['prefix', "'a\\n'", prefix, { registry, prefix: 'a\n' }],
    ['prefix', "'ä'", prefix, { registry, prefix: 'ä' }],
    ['prefix', `'${'a'.repeat(65)}'`, prefix, { registry, prefix: 'a'.repeat(65) }],
    ['prefix', '7', prefix, { registry, prefix: 7 }],
    ['prefix', 'null', prefix, { registry, prefix: null }],
    [
      'prefx',
      'a text of 1 character',
      'another key, perhaps prefix; known are registry, webhooks, prefix',
      { registry, prefx: 'a' },
    ],
    ['registry', 'nothing', 'a Registry', {}],
    ['registry', '{}', 'a Registry', { registry: {} }],
    ['', 'nothing', 'metrics options', undefined],
  ])('that cannot be understood are refused: %j, found %s', (path, found, expected, options) => {
    expect(refusal(options)).toStrictEqual(new InvalidRequest({ faults: [{ path, found, expected }] }));
    expect(refusal(options)).toMatchObject({ faults: [{ path, found, expected }] });
    expect(namesIn(registry)).toEqual([]);
  });

  test.each(['', '_', 'a', 'A9_', 'a'.repeat(64)])('%j is a prefix', (good) => {
    const { manager } = handMade();
    createMetrics(manager, { registry, prefix: good }).unsubscribe();
    expect(namesIn(registry)).toEqual([]);
  });

  test('a registry that holds one of the names is refused, and left as it was', () => {
    const busy = new Registry();
    const taken = ['app_instances_waits_total', 'app_instances'];
    for (const name of taken) new Gauge({ name, help: 'mine', registers: [busy] });
    const { bus, manager } = handMade();
    expect(() => createMetrics(manager, { registry: busy, prefix: 'app_' })).toThrow(
      new InvalidRequest({
        faults: [
          {
            path: 'registry',
            found: 'app_instances, app_instances_waits_total',
            expected: 'a registry without them, or another prefix',
          },
        ],
      }),
    );
    expect(namesIn(busy)).toEqual(taken);
    expect(bus.stats()['metrics']?.subscribers).toBe(0);
  });

  test('two managers share a registry under two prefixes, and no registry under one', () => {
    const shared = new Registry();
    const metrics = createMetrics(handMade().manager, { registry: shared });
    expect(() => createMetrics(handMade().manager, { registry: shared })).toThrow(names.join(', '));
    const others = createMetrics(handMade().manager, { registry: shared, prefix: 'b_' });
    expect(namesIn(shared)).toHaveLength(2 * names.length);
    metrics.unsubscribe();
    expect(namesIn(shared)).toEqual(names.map((name) => `b_${name}`));
    others.unsubscribe();
  });
});

describe('listening', () => {
  test('counts from now on, in as many registries as listen', async () => {
    const { bus, manager, measurements$ } = handMade();
    const registries = [new Registry(), new Registry()] as const;
    const first = createMetrics(manager, { registry: registries[0] });
    bus.publish(event(1));
    measurements$.next({ kind: 'found_by_poll', instanceId: 'web' });
    const second = createMetrics(manager, { registry: registries[1] });
    bus.publish(event(2));
    measurements$.next({ kind: 'found_by_poll', instanceId: 'web' });

    const [one, two] = await Promise.all(registries.map(scrape));
    expect(one?.get('instances_lifecycle_events_total{action="update",by="caller"}')).toBe(2);
    expect(two?.get('instances_lifecycle_events_total{action="update",by="caller"}')).toBe(1);
    expect(one?.get('instances_changes_found_by_poll_total')).toBe(2);
    expect(two?.get('instances_changes_found_by_poll_total')).toBe(1);
    expect(two?.get('instances_lifecycle_subscribers{consumer="metrics"}')).toBe(2);
    expect(two?.get('instances{driver="memory",state="Running"}')).toBe(1);
    first.unsubscribe();
    second.unsubscribe();
  });

  test('ends with unsubscribe, which removes its own series and nothing else; once more does nothing', () => {
    const { bus, manager, measurements$ } = handMade();
    const registry = new Registry();
    new Counter({ name: 'mine_total', help: 'mine', registers: [registry] });
    const metrics = createMetrics(manager, { registry });
    expect(bus.stats()['metrics']?.subscribers).toBe(1);
    expect(measurements$.observed).toBe(true);

    metrics.unsubscribe();
    expect(metrics.closed).toBe(true);
    expect(namesIn(registry)).toEqual(['mine_total']);
    expect(bus.stats()['metrics']?.subscribers).toBe(0);
    expect(measurements$.observed).toBe(false);

    const next = createMetrics(manager, { registry });
    metrics.unsubscribe();
    expect(namesIn(registry)).toEqual(['mine_total', ...names]);
    next.unsubscribe();
  });

  test('leaves alone what took its place in the registry meanwhile', () => {
    const registry = new Registry();
    const metrics = createMetrics(handMade().manager, { registry });
    registry.clear();
    new Gauge({ name: 'instances', help: 'mine', registers: [registry] });
    metrics.unsubscribe();
    expect(namesIn(registry)).toEqual(['instances']);
  });

  test('removes its counters from a registry that has renamed them for the OpenMetrics format', async () => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const { bus, manager } = handMade();
    const metrics = createMetrics(manager, { registry });
    bus.publish(event(1));
    const text = await registry.metrics();
    expect(text).toContain('# TYPE instances_lifecycle_events counter\n');
    expect(text).toContain('instances_lifecycle_events_total{action="update",by="caller"} 1\n');
    metrics.unsubscribe();
    expect(await registry.metrics()).toBe('\n# EOF\n');
  });

  test('keeps what was counted when the manager closes', async () => {
    const { bus, manager, measurements$ } = handMade();
    const registry = new Registry();
    const metrics = createMetrics(manager, { registry });
    bus.publish(event(1));
    const before = await scrape(registry);
    bus.close();
    measurements$.complete();
    const after = await scrape(registry);
    expect(after.get('instances_lifecycle_events_total{action="update",by="caller"}')).toBe(1);
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect(after.get('instances_lifecycle_subscribers{consumer="metrics"}')).toBe(0);
    metrics.unsubscribe();
  });

  test('ends without a word when a source fails, and keeps what was counted', async () => {
    const { bus, manager } = handMade();
    const registry = new Registry();
    const broken = throwError(() => new Error('gone'));
    const metrics = createMetrics(
      { ...manager, measurements$: broken, events: () => concat(of(event(1)), broken) },
      { registry },
    );
    expect(
      (await scrape(registry)).get('instances_lifecycle_events_total{action="update",by="caller"}'),
    ).toBe(1);
    // RxJS tells of errors that nobody handles in a timer.
    await lastValueFrom(timer(0));
    metrics.unsubscribe();
    bus.close();
  });

  test('a scrape in the middle of a storm sees a moment of it, and the last one sees all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(300), { minLength: 1, maxLength: 10 }), async (bursts) => {
        const { bus, manager } = handMade();
        const registry = new Registry();
        const metrics = createMetrics(manager, { registry });
        const slow = bus.consume('slow', () => new Subject(), { capacity: 16 }).subscribe();
        let published = 0;
        for (const burst of bursts) {
          for (let count = 0; count < burst; count += 1) bus.publish(event((published += 1)));
          const seen = await scrape(registry);
          // One is in work, 16 wait.
          const waiting = Math.min(16, Math.max(0, published - 1));
          expect(seen.get('instances_lifecycle_events_total{action="update",by="caller"}')).toBe(published);
          expect(seen.get('instances_lifecycle_subscriber_queue_depth{consumer="slow"}')).toBe(waiting);
          expect(seen.get('instances_lifecycle_subscriber_queue_high_water{consumer="slow"}')).toBe(waiting);
          expect(
            seen.get('instances_lifecycle_events_dropped_total{consumer="slow",reason="buffer_full"}'),
          ).toBe(Math.max(0, published - 17));
          expect(
            seen.get('instances_lifecycle_events_dropped_total{consumer="metrics",reason="buffer_full"}'),
          ).toBe(0);
        }
        slow.unsubscribe();
        metrics.unsubscribe();
      }),
      { numRuns: 20 },
    );
  });
});

describe('over a manager', () => {
  const withManager = async (
    use: (manager: InstanceManager, registry: Registry) => Promise<void>,
  ): Promise<void> => {
    const manager = await openManager({ drivers: [createMemoryDriver()] });
    const registry = new Registry();
    const metrics = createMetrics(manager, { registry });
    await use(manager, registry);
    await manager.close();
    metrics.unsubscribe();
  };

  test('tells of what it did', async () => {
    await withManager(async (manager, registry) => {
      await lastValueFrom(manager.create({ name: 'web', image: 'any' }));
      await lastValueFrom(manager.standby('web'));
      await lastValueFrom(manager.restore('web'));
      await lastValueFrom(manager.waitForState('web', 'Running'));
      await lastValueFrom(manager.start('web').pipe(concatMap(() => manager.get('web'))));
      await expect(lastValueFrom(manager.restart('nobody'))).rejects.toMatchObject({
        _tag: 'InstanceNotFound',
      });
      await lastValueFrom(manager.stop('web'));
      await expect(lastValueFrom(manager.standby('web'))).rejects.toMatchObject({ _tag: 'InvalidState' });

      const seen = await scrape(registry);
      const nonZero = [...seen].filter(([series, value]) => value !== 0 && !/_bucket|_sum/.test(series));
      expect(Object.fromEntries(nonZero)).toEqual({
        'instances{driver="memory",state="Stopped"}': 1,
        'instances_lifecycle_subscribers{consumer="metrics"}': 1,
        'instances_lifecycle_events_total{action="create",by="caller"}': 1,
        'instances_lifecycle_events_total{action="standby",by="caller"}': 1,
        'instances_lifecycle_events_total{action="restore",by="caller"}': 1,
        'instances_lifecycle_events_total{action="stop",by="caller"}': 1,
        'instances_state_transitions_total{from="absent",to="Running"}': 1,
        'instances_state_transitions_total{from="Running",to="Standby"}': 1,
        'instances_state_transitions_total{from="Standby",to="Running"}': 1,
        'instances_state_transitions_total{from="Running",to="Stopped"}': 1,
        'instances_time_to_running_seconds_count{driver="memory"}': 1,
        'instances_verb_duration_seconds_count{verb="create",result="ok"}': 1,
        'instances_verb_duration_seconds_count{verb="standby",result="ok"}': 1,
        'instances_verb_duration_seconds_count{verb="restore",result="ok"}': 1,
        'instances_verb_duration_seconds_count{verb="start",result="ok"}': 1,
        'instances_verb_duration_seconds_count{verb="stop",result="ok"}': 1,
        'instances_verb_duration_seconds_count{verb="standby",result="InvalidState"}': 1,
        'instances_waits_total{outcome="reached",via="read"}': 1,
        'instances_wait_duration_seconds_count{outcome="reached"}': 1,
        instances_store_commit_duration_seconds_count: 4,
      });
    });
  });

  test('the numbers of a storm add up', async () => {
    await withManager(async (manager, registry) => {
      const life = (index: number) =>
        manager
          .create({ name: `i-${String(index)}`, image: 'any' })
          .pipe(
            concatMap(({ id }) =>
              index % 3 === 0 ? manager.delete(id) : index % 3 === 1 ? manager.stop(id) : EMPTY,
            ),
          );
      const scrapes = from([1, 2, 3]).pipe(concatMap(() => scrape(registry)));
      await Promise.all([
        lastValueFrom(
          range(0, 300).pipe(
            mergeMap(life),
            map(() => undefined),
          ),
        ),
        lastValueFrom(scrapes),
      ]);

      const seen = await scrape(registry);
      expect(seen.get('instances{driver="memory",state="Running"}')).toBe(100);
      expect(seen.get('instances{driver="memory",state="Stopped"}')).toBe(100);
      const sum = (pattern: RegExp): number =>
        [...seen].filter(([series]) => pattern.test(series)).reduce((total, [, value]) => total + value, 0);
      for (const state of ['Running', 'Stopped']) {
        const came = sum(new RegExp(`^instances_state_transitions_total.*to="${state}"`));
        const went = sum(new RegExp(`^instances_state_transitions_total.*from="${state}"`));
        expect([state, came - went]).toEqual([state, 100]);
      }
      expect(sum(/^instances_lifecycle_events_total/)).toBe(500);
      expect(seen.get('instances_store_commit_duration_seconds_count')).toBe(500);
    });
  });

  test('what was counted outlives it, the last numbers of instances included', async () => {
    const manager = await openManager({ drivers: [createMemoryDriver()] });
    const registry = new Registry();
    const metrics = createMetrics(manager, { registry });
    await lastValueFrom(manager.create({ name: 'web', image: 'any' }));
    await scrape(registry);
    await manager.close();

    const seen = await scrape(registry);
    expect(seen.get('instances{driver="memory",state="Running"}')).toBe(1);
    expect(seen.get('instances_lifecycle_events_total{action="stop",by="close"}')).toBe(1);
    expect(seen.get('instances_lifecycle_subscribers{consumer="metrics"}')).toBe(0);
    metrics.unsubscribe();
    expect(namesIn(registry)).toEqual([]);
  });
});
