import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';
import { openWebhooks } from 'rx-instances/webhooks';
import { alerts } from '../../grafana/alerts.js';
import { files } from '../../grafana/files.js';
import { rows } from '../../grafana/panels.js';
import { seriesOf } from './seriesOf.js';

let measured: readonly string[];
beforeAll(async () => {
  await using manager = await openManager({ drivers: [createMemoryDriver()] });
  const registry = new Registry();
  createMetrics(manager, { registry, webhooks: await openWebhooks(manager) });
  measured = registry.getMetricsAsArray().map(({ name }) => name);
});

const shown = rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)));

test('every series that is measured is shown, and none that is not', () => {
  expect([...new Set(shown.flatMap(seriesOf))].toSorted()).toEqual(measured.toSorted());
});

test('alerts look at series that are measured', () => {
  const watched = new Set(alerts.flatMap(({ expr }) => seriesOf(expr)));
  expect([...watched].filter((name) => !measured.includes(name))).toEqual([]);
});

test('every alert says in a sentence what to do', () => {
  expect(alerts.filter(({ runbook }) => !/^[A-Z].{30,}\.$/i.test(runbook))).toEqual([]);
});

test.each(Object.entries(files()))('grafana/%s is what `npm run grafana` writes', (name, text) => {
  expect(readFileSync(`grafana/${name}`, 'utf8')).toBe(text);
});
