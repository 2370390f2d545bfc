/** Serves the manager's metrics to Prometheus, on the address and port of the configuration. */
import { getOrElse } from 'fp-ts/lib/Either.js';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import { openManager } from 'rx-instances';
import { type Config, type ConfigErrors, describeConfigErrors, loadConfig } from 'rx-instances/config';
import { createMetrics } from 'rx-instances/metrics';
import { promised } from 'rx-instances/promises';
import { createMemoryDriver } from 'rx-instances/testing';

async function main(): Promise<void> {
  // A free port instead of the default, so that the example runs beside anything.
  const env = {
    ...process.env,
    RX_INSTANCES__METRICS__PORT: process.env['RX_INSTANCES__METRICS__PORT'] ?? '19464',
  };
  const config = getOrElse<ConfigErrors, Config>((errors) => {
    throw new Error(describeConfigErrors(errors));
  })(await loadConfig(undefined, env)());

  const manager = await openManager({ drivers: [createMemoryDriver()], config });
  const instances = promised(manager);
  const registry = new Registry();
  createMetrics(manager, { registry });

  const server = createServer((_, response) => {
    void registry.metrics().then((text) => {
      response.setHeader('content-type', registry.contentType).end(text);
    });
  });
  const { listenAddress, port } = config.metrics;
  server.listen(port, listenAddress);
  await once(server, 'listening');

  await instances.create({ name: 'web', image: 'any' });
  await instances.standby('web');

  const response = await fetch(`http://${listenAddress}:${String(port)}/metrics`);
  const lines = (await response.text()).split('\n');
  console.log(lines.filter((line) => /^instances_lifecycle_events_total.* [1-9]/.test(line)).join('\n'));

  server.close();
  await manager.close();
}

void main();
