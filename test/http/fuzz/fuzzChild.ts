/**
 * Serves two APIs over one manager without machines, one of them with tokens, and does what it reads from its standard input, a word a line:
 * `look` tells what it holds, `close` closes all. It says a line of JSON for each, and for all that nobody caught.
 */
import { createInterface } from 'node:readline';
import fastify, { type FastifyInstance } from 'fastify';
import { createSigner } from 'fast-jwt';
import { Registry } from 'prom-client';
import { createMemoryDriver } from '../../../src/drivers/memory/memoryDriver.js';
import { instancesApi } from '../../../src/http/instancesApi.js';
import { apiServerOptions } from '../../../src/http/serverOptions.js';
import { openManager } from '../../../src/manager/instanceManager.js';
import { createMetrics } from '../../../src/metrics/createMetrics.js';
import { openWebhooks } from '../../../src/webhooks/openWebhooks.js';
import type { ConsumerStats } from '../../../src/streams/consumers.js';
import type { Held, Word } from './fuzzServer.js';

const secret = 'a secret that nobody can guess, 42';

const say = (word: Word): void => {
  process.stdout.write(`${JSON.stringify(word)}\n`);
};
const trouble = (what: string) => (error: unknown) => {
  say({ kind: 'trouble', text: `${what}: ${error instanceof Error ? (error.stack ?? '') : String(error)}` });
};
process.on('uncaughtException', trouble('nobody caught'));
process.on('unhandledRejection', trouble('nobody caught a rejection'));
process.on('warning', trouble('warning'));

const drivers = [createMemoryDriver({ standbyFrees: 'memory' })];

async function main(): Promise<void> {
  const manager = await openManager({
    drivers,
    // What is kept is bounded by it: what grows without end is seen sooner.
    config: { instances: { lifecycleEventBufferSize: 256 }, storage: { logMaxEvents: 1_000 } },
  });
  const webhooks = await openWebhooks(manager);
  const registry = new Registry();
  createMetrics(manager, { registry });
  const { http, ...options } = apiServerOptions();
  const serve = async (given: object): Promise<readonly [FastifyInstance, number]> => {
    const app = fastify({
      ...options,
      // What is not sent to its end is given up soon.
      http: { ...http, headersTimeout: 1_000, connectionsCheckingInterval: 100 },
      requestTimeout: 1_500,
      logger: {
        level: 'error',
        stream: {
          write: (text) => {
            say({ kind: 'logged', text });
          },
        },
      },
    });
    const rate = { maxRequestsPerSecond: 1_000_000 };
    await app.register(instancesApi, {
      manager,
      drivers,
      webhooks,
      metrics: registry,
      drainMs: 2_000,
      ...rate,
      ...given,
    });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    return [app, Number(new URL(address).port)];
  };
  const [open, openPort] = await serve({});
  const [guarded, guardedPort] = await serve({ secret });
  const sign = createSigner({ key: secret });
  const tokens = [
    sign({ sub: 'reader', permissions: ['instance:read', 'snapshot:read'] }),
    sign({ sub: 'all', permissions: ['*'] }),
    createSigner({ key: secret, expiresIn: 1, clockTimestamp: 0 })({ sub: 'late' }),
  ];
  say({ kind: 'serving', ports: [openPort, guardedPort], tokens });

  for await (const word of createInterface(process.stdin)) {
    if (word === 'look') say({ kind: 'holds', held: await held([open, guarded], manager.stats()) });
    else {
      await Promise.all([open.close(), guarded.close()]);
      await webhooks.close();
      await manager.close();
      say({ kind: 'closed' });
      return;
    }
  }
  // Whoever started it is gone.
  process.exit(1);
}

async function held(
  apps: readonly FastifyInstance[],
  consumers: Readonly<Record<string, ConsumerStats>>,
): Promise<Held> {
  globalThis.gc?.();
  const counts = apps.map(
    ({ server }) =>
      new Promise<number>((resolve) => {
        server.getConnections((_, count) => {
          resolve(count);
        });
      }),
  );
  const { heapUsed, rss } = process.memoryUsage();
  return {
    connections: (await Promise.all(counts)).reduce((sum, count) => sum + count, 0),
    resources: process.getActiveResourcesInfo().toSorted(),
    subscribers: Object.fromEntries(Object.entries(consumers).map(([name, its]) => [name, its.subscribers])),
    queued: Object.values(consumers).reduce((sum, { maxQueueDepth }) => sum + maxQueueDepth, 0),
    heapMiB: heapUsed / 2 ** 20,
    rssMiB: rss / 2 ** 20,
  };
}

void main();
