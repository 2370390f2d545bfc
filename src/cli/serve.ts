import fastify, { LogController } from 'fastify';
import type { Server } from 'node:http';
import { Registry } from 'prom-client';
import { openManager } from '../assembly/openManager.js';
import type { Config } from '../config/config.js';
import type { Driver } from '../drivers/driver.js';
import { createProcessDriver } from '../drivers/process/processDriver.js';
import { createQemuDriver } from '../drivers/qemu/qemuDriver.js';
import { instancesApi } from '../http/instancesApi.js';
import { instancesPage } from '../http/page/instancesPage.js';
import { apiServerOptions } from '../http/serverOptions.js';
import { isInstanceError } from '../lifecycle/errors.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { closeOnSignals } from '../manager/closeOnSignals.js';
import type { CloseOptions } from '../manager/options.js';
import type { InstanceManager } from '../manager/instanceManager.js';
import { createMetrics } from '../metrics/createMetrics.js';
import { CliFault } from './cliFault.js';
import { serveMetrics } from './metricsServer.js';
import { checkReach, type Settings } from './settings.js';

/**
 * Opens a manager and serves it, until the process is asked to end: then clients are told so and what they asked for is answered, and the
 * manager closes. Instances that are kept run on.
 *
 * @throws {@link CliFault} for what whoever started it has to mend
 */
export async function serve(settings: Settings): Promise<void> {
  checkReach(settings);
  const { config, secret } = settings;
  const { serve: asked, http, metrics: measured } = config;
  const drivers = driversOf(asked);
  // A page asks all the time: what goes wrong is logged, under the request's name.
  const logController = new LogController({ disableRequestLogging: true });
  const app = fastify({ ...apiServerOptions(), logger: true, logController });
  const { dataDir } = asked;
  const manager = await orFault(
    openManager({ drivers, config, logger: app.log, ...(dataDir !== undefined && { dataDir }) }),
  );
  const registry = new Registry();
  createMetrics(manager, { registry });
  let metricsServer: Server | undefined;
  const close = async (options?: CloseOptions): Promise<void> => {
    app.log.info('it is asked to end: no new requests are taken, and what was asked for is answered');
    metricsServer?.close();
    await app.close();
    await manager.close(options);
  };
  try {
    await app.register(instancesApi, {
      ...{ manager, drivers, metrics: registry },
      ...(secret !== undefined && { secret }),
      ...limitsOf(http),
    });
    await app.register(instancesPage);
    metricsServer = await orFault(serveMetrics(registry, addressOf(measured)));
    closeOnSignals({ close, measurements$: manager.measurements$ });
    const listenTextResolver = (address: string): string => told(config, drivers, address);
    await orFault(app.listen({ ...addressOf(http), listenTextResolver }));
  } catch (error) {
    await stop(manager, app, metricsServer);
    throw error;
  }
}

function driversOf({ process, qemu }: Config['serve']): readonly Driver[] {
  if (!process && !qemu)
    throw new CliFault('serve: found neither process nor qemu, expected one of them or both');
  return [...(process ? [createProcessDriver()] : []), ...(qemu ? [createQemuDriver()] : [])];
}

const addressOf = ({ listenAddress, port }: Config['metrics']): { host: string; port: number } => ({
  host: listenAddress,
  port,
});

const limitsOf = ({ maxRequestsPerSecond, maxConnections, maxStreams, drainMs }: Config['http']) => ({
  ...{ maxRequestsPerSecond, maxConnections, maxStreams, drainMs },
});

/** What is served, and where. */
function told({ metrics, serve: { dataDir } }: Config, drivers: readonly Driver[], address: string): string {
  const { host, port } = addressOf(metrics);
  const metricsHost = host.includes(':') ? `[${host}]` : host;
  return [
    `it serves the API and its page at ${address}/`,
    `metrics at http://${metricsHost}:${String(port)}/metrics`,
    `instances of ${drivers.map(({ kind }) => kind).join(' and ')}`,
    dataDir === undefined ? 'in memory: they end with this program' : `kept in ${dataDir}`,
  ].join(', ');
}

/** Ends what has begun. */
async function stop(
  manager: InstanceManager,
  app: { close(): Promise<unknown> },
  metrics?: Server,
): Promise<void> {
  metrics?.close();
  await app.close();
  await manager.close();
}

/** What is wrong with the surroundings is for whoever started it: a port that is taken, a folder that another manager holds. */
async function orFault<T>(begun: Promise<T>): Promise<T> {
  return begun.catch((error: unknown) => {
    if (isInstanceError(error) || isOfSystem(error)) throw new CliFault(messageOf(error), { cause: error });
    throw error;
  });
}

const isOfSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error;
