import { Registry } from 'prom-client';
import { openManager, type WebhookStats } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';

const scrape = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith('webhook_'));

test('what becomes of webhooks is told where a manager has them, in series without the name of any', async () => {
  const manager = await openManager({ drivers: [createMemoryDriver()] });
  const registry = new Registry();
  createMetrics(manager, { registry }).unsubscribe();
  expect(await scrape(registry)).toEqual([]);
  let stats: WebhookStats = {
    endpoints: { active: 3, failing: 1, disabled: 0 },
    attempts: { delivered: 7, address: 0, connection: 1, redirect: 0, status: 2, timeout: 0 },
    expired: 1,
    lag: 12,
  };
  const metrics = createMetrics(manager, { registry, webhooks: { stats: () => stats } });
  const told = [
    'webhook_endpoints{state="active"} 3',
    'webhook_endpoints{state="failing"} 1',
    'webhook_endpoints{state="disabled"} 0',
    'webhook_lag_events 12',
    'webhook_attempts_total{outcome="delivered"} 7',
    'webhook_attempts_total{outcome="address"} 0',
    'webhook_attempts_total{outcome="connection"} 1',
    'webhook_attempts_total{outcome="redirect"} 0',
    'webhook_attempts_total{outcome="status"} 2',
    'webhook_attempts_total{outcome="timeout"} 0',
    'webhook_cursors_expired_total 1',
  ];
  expect(await scrape(registry)).toEqual(told);
  // A second scrape counts nothing twice.
  expect(await scrape(registry)).toEqual(told);
  stats = { ...stats, endpoints: { active: 3, failing: 0, disabled: 1 } };
  expect(await scrape(registry)).toContain('webhook_endpoints{state="disabled"} 1');
  metrics.unsubscribe();
  await manager.close();
});
