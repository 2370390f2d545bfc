import { arch, platform } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { answers } from './answerSchemas.js';
import { apiRoute } from './apiRoute.js';
import type { InstancesApiOptions, ServedDriver } from './apiOptions.js';
import { documentDecorator } from './openApi.js';
import { version } from './version.js';

/** The version of hypeman's API that is served. */
const apiVersion = '0.3.0';

/** Serves what tells of the server itself. */
export function serviceRoutes(app: FastifyInstance, { drivers, metrics }: InstancesApiOptions): void {
  app.get(
    '/health',
    apiRoute({
      operation: 'getHealth',
      scope: 'public',
      summary: 'Tell that it serves',
      answers: { 200: answers.health },
    }),
    (_, reply) => {
      void reply.send({ status: 'ok' });
    },
  );

  const capabilities = capabilitiesOf(drivers);
  app.get(
    '/capabilities',
    apiRoute({
      operation: 'getCapabilities',
      scope: 'resource:read',
      summary: 'Tell what this server can do',
      answers: { 200: answers.capabilities },
    }),
    (_, reply) => {
      void reply.send(capabilities);
    },
  );

  if (metrics !== undefined)
    app.get(
      '/metrics',
      apiRoute({
        operation: 'getMetrics',
        scope: 'resource:read',
        summary: 'Tell Prometheus what is measured',
        answers: { 200: answers.metrics },
      }),
      async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
    );

  app.get(
    '/openapi.json',
    apiRoute({
      operation: 'getDocument',
      scope: 'public',
      summary: 'Tell what is served here, as OpenAPI 3.1',
      answers: { 200: answers.document },
    }),
    (_, reply) => {
      const document = app.getDecorator<() => object>(documentDecorator);
      void reply.send(document());
    },
  );
}

function capabilitiesOf(drivers: readonly ServedDriver[]): object {
  // Names as hypeman and Docker have them.
  const host = { os: platform(), arch: arch() === 'x64' ? 'amd64' : arch() };
  const [first] = drivers;
  return {
    server: { version, api_version: apiVersion },
    host,
    default_runtime: { name: first?.kind ?? '', available: first !== undefined },
    runtimes: drivers.map((driver) => ({ name: driver.kind, available: true, features: featuresOf(driver) })),
    network: { model: 'nat', guest_to_guest: false },
    images: { default_platform: `${host.os}/${host.arch}`, platforms: [`${host.os}/${host.arch}`] },
    features: ['instances', 'logs', ...(drivers.some(runsOthers) ? ['exec'] : [])],
  };
}

const runsOthers = ({ capabilities }: ServedDriver): boolean => capabilities.execs === true;

const featuresOf = (driver: ServedDriver): readonly string[] => [
  ...(runsOthers(driver) ? ['exec'] : []),
  'fork',
  ...(driver.snapshots === undefined ? [] : ['snapshots']),
  ...(driver.capabilities.standbyFrees === 'nothing' ? [] : ['standby']),
];
