import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';
import { openWebhooks } from 'rx-instances/webhooks';
import { catchError, EMPTY, firstValueFrom, lastValueFrom, type Observable, of, throwError } from 'rxjs';
import { alerts } from '../../grafana/alerts.js';
import { rows } from '../../grafana/panels.js';
import { serveMetrics } from '../../src/cli/metricsServer.js';
import type { Controller } from '../../src/instances/controller.js';
import { Client, FakeMachine } from '../door/doorStage.js';
import { openReceiver } from '../webhooks/receiver.js';
import { type Prometheus, type Sample, startPrometheus } from './prometheus.js';

/** It begins to scrape after some seconds, and a rate needs two samples. */
const patienceMs = 60_000;
jest.setTimeout(2 * patienceMs);

/** Fails each time that it is opened. */
const failing: Controller = {
  name: 'failing',
  open: () => ({ decisions$: throwError(() => new Error('as it is meant to')) }),
};

const done = (verb: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(verb.pipe(catchError(() => EMPTY)), { defaultValue: undefined });

/** Something of each kind that is measured. */
async function happens(manager: InstanceManager, round: number): Promise<void> {
  const name = `web-${String(round)}`;
  await done(manager.create({ name, driver: 'memory', image: 'any', ports: [{ guest: 80 }] }));
  await done(manager.waitForState(name, 'Running'));
  await done(manager.create({ name, driver: 'memory', image: 'any' }));
  const { port } = await firstValueFrom(manager.endpoint(name, 80));
  await done(manager.exec('runner', { command: 'true' }));
  await done(manager.standby(name));
  const client = new Client(port);
  client.socket.write('hello');
  await client.hears('hello');
  client.socket.destroy();
  await done(manager.delete(name));
}

/** Ends what has no end of its own, also when the test fails. */
function atEnd() {
  const ends = new Set<() => unknown>();
  return Object.assign(ends, {
    [Symbol.asyncDispose]: async () => {
      for (const end of ends) await end();
    },
  });
}

const asked = (expr: string): string =>
  expr.replaceAll('$manager', '.*').replaceAll('$__rate_interval', '30s');

/** All labels of a legend have a value, and one of the samples is a number. */
const isDrawn = (samples: readonly Sample[], legend: string): boolean =>
  samples.some(({ value: [, value] }) => value !== 'NaN') &&
  [...legend.matchAll(/\{\{(\w+)\}\}/g)].every(([, label = '']) =>
    samples.every(({ metric }) => label in metric),
  );

/** The panels that show nothing. */
async function emptyPanels({ query }: Prometheus): Promise<readonly string[]> {
  const queries = rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) => queries.map((each) => ({ title, ...each }))),
  );
  const drawn = await Promise.all(
    queries.map(async ({ expr, legend }) => isDrawn(await query(asked(expr)), legend)),
  );
  return queries.flatMap(({ title, expr }, index) => (drawn[index] === true ? [] : [`${title}: ${expr}`]));
}

/** Series of an expression that lack a label by which they are chosen, or are not there at all. */
async function strangers({ query }: Prometheus, expr: string): Promise<readonly string[]> {
  const chosen = [...expr.matchAll(/([a-z]\w*_\w+|\binstances)(?:\{(.*?)\})/g)];
  const faults = await Promise.all(
    chosen.map(async ([selector, series = '', matchers = '']) => {
      const labels = [...matchers.matchAll(/(\w+)[=!]/g)].map(([, label = '']) => label);
      const samples = await query(series);
      const fits =
        samples.length > 0 && samples.every(({ metric }) => labels.every((each) => each in metric));
      return fits ? [] : [selector];
    }),
  );
  return faults.flat();
}

test('each panel shows what a manager has measured, and each alert can be asked', async () => {
  await using ends = atEnd();
  const machine = new FakeMachine();
  ends.add(() => machine.end());
  const { port: machinePort } = await machine.listen();
  await using receiver = await openReceiver();
  const registry = new Registry();
  await using manager = await openManager({
    drivers: [createMemoryDriver({ portOf: () => machinePort }), createProcessDriver()],
    controllers: (standard) => [...standard, failing],
  });
  const billing = manager.consume('billing', (event) => of(event), { durable: true }).subscribe();
  ends.add(() => {
    billing.unsubscribe();
  });
  const webhooks = await openWebhooks(manager, { allowHttp: true, allowedNetworks: ['127.0.0.0/8'] });
  await firstValueFrom(webhooks.add({ id: 'hook', url: receiver.url }));
  createMetrics(manager, { registry, webhooks });
  const server = await serveMetrics(registry, { host: '127.0.0.1', port: 0 });
  ends.add(() => server.close());
  await done(
    manager.create({
      name: 'sleepy',
      driver: 'memory',
      image: 'any',
      ports: [{ guest: 80 }],
      autoStandby: { enabled: true },
    }),
  );
  const sleeper = { driver: 'process', image: 'scratch', entrypoint: ['sleep', '600'] };
  await done(manager.create({ name: 'runner', ...sleeper }));
  const { port } = server.address() as AddressInfo;
  await using prometheus = await startPrometheus(`127.0.0.1:${String(port)}`);

  const deadline = performance.now() + patienceMs;
  let empty: readonly string[];
  let round = 0;
  do {
    await happens(manager, (round += 1));
    empty = await emptyPanels(prometheus);
  } while (empty.length > 0 && performance.now() < deadline);
  expect(empty).toEqual([]);

  for (const { expr } of alerts) {
    await prometheus.query(expr);
    expect(await strangers(prometheus, expr)).toEqual([]);
  }
  const loaded = await prometheus.rules();
  expect(loaded.map(({ name }) => name)).toEqual(alerts.map(({ name }) => name));
  expect(loaded.filter(({ lastError }) => lastError !== undefined && lastError !== '')).toEqual([]);
});
