import type { ServerResponse } from 'node:http';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { Subject } from 'rxjs';
import { decodeOrThrow } from '../codecs/decode.js';
import { absentRoutes } from './absentRoutes.js';
import { guard } from './access.js';
import type { ApiContext } from './apiContext.js';
import { apiOptions, type InstancesApiOptions } from './apiOptions.js';
import { operationOf } from './apiRoute.js';
import { autoStandbyRoutes } from './autoStandbyRoutes.js';
import { callRoutes } from './callRoutes.js';
import { consumersRoute } from './consumersRoute.js';
import { errorAnswer, plainAnswer } from './errorAnswers.js';
import { execRoutes } from './exec/execRoutes.js';
import { openWebSockets } from './exec/openWebSockets.js';
import { instanceRoutes } from './instanceRoutes.js';
import { logRoute } from './logRoute.js';
import { drainOnClose } from './drain.js';
import { eventRoutes } from './events/eventRoutes.js';
import { liveEvents } from './events/liveEvents.js';
import { describeRoutes } from './openApi.js';
import { OpenStreams } from './openStreams.js';
import { readJson } from './readJson.js';
import { Refusal } from './refusal.js';
import { createRepresentations } from './representations.js';
import { serviceRoutes } from './serviceRoutes.js';
import { snapshotRoutes } from './snapshotRoutes.js';
import { verbRoutes } from './verbRoutes.js';
import { webhookRoutes } from './webhookRoutes.js';
import { waitRoute } from './waitRoute.js';

/**
 * A plugin for Fastify that serves instances by hypeman's HTTP API: what its client `@onkernel/hypeman` asks for of instances and snapshots, with
 * its fields, defaults, codes and errors; programs run in instances over WebSockets. What it has and this package does not is answered with 501. Beside that `/metrics`, and
 * `/openapi.json`, the document of all that is served.
 *
 * Errors are `{ code, message }`; what would fail again is told by `x-should-retry: false`, and nothing of the inside by any. An `Idempotency-Key` is the
 * `requestId` of a verb, `If-Match: "3"` its `expectedRevision`, a `traceparent` the trace that its events tell of. A wait ends when its client goes.
 *
 * Make the server with {@link apiServerOptions}: a plugin can set less.
 *
 * @throws `InvalidRequest`, by which registering fails, for options that can't be understood
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 * import { createSigner } from 'fast-jwt';
 * import { openManager } from 'rx-instances';
 * import { apiServerOptions, instancesApi } from 'rx-instances/http';
 * import { createMemoryDriver } from 'rx-instances/testing';
 *
 * const drivers = [createMemoryDriver()];
 * const manager = await openManager({ drivers });
 * const secret = 'a secret that nobody can guess, 42';
 * const app = fastify(apiServerOptions());
 * await app.register(instancesApi, { manager, drivers, secret });
 * const address = await app.listen({ host: '127.0.0.1', port: 0 });
 *
 * const token = createSigner({ key: secret })({ sub: 'reader', permissions: ['instance:read'] });
 * const headers = { authorization: `Bearer ${token}`, connection: 'close' };
 * const { status } = await fetch(`${address}/instances`, { headers });
 * status; // => 200
 * const refused = await fetch(`${address}/instances/web`, { headers, method: 'DELETE' });
 * await refused.json(); // => { code: 'Forbidden', message: 'missing required scope: instance:delete' }
 * await app.close();
 * await manager.close();
 * ```
 */
export const instancesApi: FastifyPluginAsync<InstancesApiOptions> = async (app, given) => {
  const { prefix, logLevel, logSerializers, ...rest } = given as InstancesApiOptions & FastifyOwn;
  decodeOrThrow(apiOptions, rest);
  const options: InstancesApiOptions = rest;
  const { manager, secret, maxConnections = 10_000, maxStreams = 5_000, drainMs = 10_000 } = options;
  const context: ApiContext = {
    manager,
    streams: new OpenStreams(maxStreams),
    written: createRepresentations(manager),
  };
  const consumer = 'http_events';
  const closed$ = new Subject<void>();
  app.server.maxConnections = maxConnections;
  readBodies(app);
  tellErrors(app);
  // First: it lets go of the connections of all that is refused from here on.
  await openWebSockets(app);
  await limitRate(app, options.maxRequestsPerSecond ?? 10_000);
  guard(app, secret);
  await describeRoutes(app, secret !== undefined);
  const live = liveEvents(manager, closed$, { consumer });
  // Before their streams are ended.
  app.addHook('preClose', (done) => {
    live.flush();
    done();
  });
  drainOnClose(app, context.streams, drainMs);
  app.addHook('onClose', () => {
    closed$.next();
  });
  serviceRoutes(app, options);
  consumersRoute(app, manager);
  instanceRoutes(app, context);
  verbRoutes(app, context);
  waitRoute(app, context);
  logRoute(app, context);
  autoStandbyRoutes(app, context);
  snapshotRoutes(app, context);
  eventRoutes(app, context, { live, streams: manager, consumer });
  callRoutes(app, context, live);
  execRoutes(app, context);
  if (options.webhooks !== undefined) webhookRoutes(app, options.webhooks);
  absentRoutes(app);
};

/** What Fastify itself takes of a plugin's options. */
interface FastifyOwn {
  readonly prefix?: unknown;
  readonly logLevel?: unknown;
  readonly logSerializers?: unknown;
}

function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, readJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  // Schemas are there for the document: what comes in is decoded, and what goes out is written, by codecs.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
}

function tellErrors(app: FastifyInstance): void {
  // Node refuses by itself, and without a body, what a client expects besides that its body may come.
  app.server.on('checkExpectation', (_, response: ServerResponse) => {
    if (response.headersSent) return;
    const { status, headers, body } = plainAnswer(417);
    response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body));
  });
  app.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers, body } = errorAnswer(error, operationOf(request));
    if (status >= 500 && status !== 501) request.log.error({ err: error }, 'a request failed');
    return reply.code(status).headers(headers).send(body);
  });
}

const headersOfRate = {
  'x-ratelimit-limit': false,
  'x-ratelimit-remaining': false,
  'x-ratelimit-reset': false,
} as const;

async function limitRate(app: FastifyInstance, max: number): Promise<void> {
  await app.register(rateLimit, {
    max,
    timeWindow: 1_000,
    // They would be told with each answer, and take longer than the answer.
    addHeaders: headersOfRate,
    addHeadersOnExceeding: headersOfRate,
    errorResponseBuilder: () => {
      const { status, body } = plainAnswer(429);
      return new Refusal(status, 'rate_limited', body.message);
    },
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (_, reply) => {
    const { status, headers, body } = plainAnswer(404);
    return reply.code(status).headers(headers).send(body);
  });
}
