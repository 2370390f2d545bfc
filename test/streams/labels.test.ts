import { Registry } from 'prom-client';
import { openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';
import { EMPTY, firstValueFrom, NEVER, type Subscription } from 'rxjs';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import { anUpdate } from '../support/lifecycleEvents.js';
import { createLoggedBus } from '../support/loggedBus.js';
import { thrownBy } from '../support/thrownBy.js';

const none = { buffer_full: 0, overwritten: 0, folded: 0, failed: 0 };

const labels = (bus: Pick<ReturnType<typeof createLifecycleBus>, 'stats'>): unknown[] =>
  (bus.stats()['http']?.labelled ?? []).map(({ label }) => label);

describe('a label', () => {
  test('tells what one subscriber is doing, and counts in the whole', () => {
    const bus = createLifecycleBus();
    bus.consume('http', () => NEVER, { label: 'stalled', capacity: 2 }).subscribe();
    bus.consume('http', () => EMPTY, { label: 'quick', capacity: 2 }).subscribe();
    bus.consume('http', () => NEVER, { capacity: 2, overflow: 'dropOldest' }).subscribe();
    for (let n = 1; n <= 6; n += 1) bus.publish(anUpdate(n));
    expect(bus.stats()['http']).toEqual({
      subscribers: 3,
      maxQueueDepth: 2,
      highWater: 2,
      dropped: { ...none, buffer_full: 3, overwritten: 3 },
      lagged: 0,
      resumed: 0,
      thrown: 0,
      labelled: [
        { label: 'stalled', queueDepth: 2, highWater: 2, dropped: { ...none, buffer_full: 3 }, lagged: 0 },
        { label: 'quick', queueDepth: 0, highWater: 0, dropped: none, lagged: 0 },
      ],
    });
  });

  test('is told for as long as its subscriber is there, and what it counted stays in the whole', () => {
    const bus = createLifecycleBus();
    const subscription = bus.consume('http', () => NEVER, { label: 'a', capacity: 1 }).subscribe();
    for (let n = 1; n <= 3; n += 1) bus.publish(anUpdate(n));
    expect(labels(bus)).toEqual(['a']);
    subscription.unsubscribe();
    expect(bus.stats()['http']).toEqual({
      ...{ subscribers: 0, maxQueueDepth: 0, highWater: 1, lagged: 0, resumed: 0, thrown: 0 },
      dropped: { ...none, buffer_full: 1 },
    });
  });

  test('can be had by every kind of stream, each subscription by itself, also by many of one name', async () => {
    const { bus } = createLoggedBus({ before: 1 });
    const after = { epoch: 'e', sequence: 1 };
    const live$ = bus.events('http', { label: 'live' });
    const streams: Subscription[] = [
      live$.subscribe(),
      live$.subscribe(),
      bus.events('http', { label: 'resumed', after }).subscribe(),
      bus.watch('http', () => NEVER, { label: 'watch' }).subscribe(),
      bus.consume('http', () => EMPTY, { label: 'durable', durable: true }).subscribe(),
    ];
    const reader = bus.iterate('http', { label: 'reader' })[Symbol.asyncIterator]();
    expect(labels(bus)).toEqual(['live', 'live', 'resumed', 'watch', 'durable', 'reader']);
    for (const stream of streams) stream.unsubscribe();
    await reader.return?.();
    expect([labels(bus), bus.stats()['http']?.subscribers]).toEqual([[], 0]);
  });

  test.each(['', 'a\nb', 'x'.repeat(257), 7])('such as %j is refused', (label) => {
    const error = thrownBy(() => createLifecycleBus().events('http', { label: label as string }));
    expect(String(error)).toContain('expected a label (1 to 256 characters, no control characters)');
  });

  test('makes a thousand clients one consumer, and is in no metric', async () => {
    const manager = await openManager({ drivers: [createMemoryDriver()] });
    const registry = new Registry();
    const metrics = createMetrics(manager, { registry });
    for (let n = 0; n < 1_000; n += 1) {
      manager.consume('http', () => NEVER, { label: `page ${String(n)}`, overflow: 'resume' }).subscribe();
    }
    await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    expect(manager.stats()['http']).toMatchObject({ subscribers: 1_000 });
    expect(manager.stats()['http']?.labelled).toHaveLength(1_000);
    const told = await registry.metrics();
    expect(told).toContain('instances_lifecycle_subscribers{consumer="http"} 1000');
    expect(told).not.toContain('page ');
    metrics.unsubscribe();
    await manager.close();
    expect(manager.stats()['http']?.labelled).toBeUndefined();
  });
});
