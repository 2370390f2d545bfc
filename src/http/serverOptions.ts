import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions, FastifyReply, RawServerDefault } from 'fastify';
import { errorAnswer, plainAnswer } from './errorAnswers.js';

/**
 * What Fastify has to be made with for {@link instancesApi} to be whole: what a plugin can't set. Bodies of 1 MiB at most; a request has to
 * have come within 30 s, its head within 10; names of requests, which its log and the answers bear, are a client's own only where they
 * are plain; and what the router or the parser of HTTP refuses is answered in the form of all other errors, without the path.
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 * import { openManager } from 'rx-instances';
 * import { apiServerOptions, instancesApi } from 'rx-instances/http';
 * import { createMemoryDriver } from 'rx-instances/testing';
 *
 * const drivers = [createMemoryDriver()];
 * const manager = await openManager({ drivers });
 * const app = fastify({ ...apiServerOptions(), logger: false });
 * await app.register(instancesApi, { manager, drivers });
 * const address = await app.listen({ host: '127.0.0.1', port: 0 });
 * const answer = await fetch(`${address}/instances`, { headers: { connection: 'close' } });
 * await answer.json(); // => []
 * await app.close();
 * await manager.close();
 * ```
 */
export const apiServerOptions = (): ApiServerOptions => ({
  bodyLimit: 2 ** 20,
  requestTimeout: 30_000,
  http: { connectionsCheckingInterval: 1_000, headersTimeout: 10_000, maxHeaderSize: 16_384 },
  routerOptions: { maxParamLength: 256 },
  requestIdHeader: false,
  genReqId,
  frameworkErrors: (error, request, reply) => {
    const { status, headers, body } = errorAnswer(error);
    const plain = reply as unknown as FastifyReply;
    // Nobody looks after the connection of a WebSocket that no route has: no parser, and no limit of time.
    if (request.raw.headers.upgrade !== undefined)
      reply.raw.once('finish', () => {
        request.raw.socket.destroySoon();
      });
    void plain.code(status).headers(headers).header('x-request-id', request.id).send(body);
  },
  clientErrorHandler: refuseByHand,
});

/** What {@link apiServerOptions} sets. */
export type ApiServerOptions = Pick<
  FastifyHttpOptions<RawServerDefault>,
  | ('bodyLimit' | 'requestTimeout' | 'http' | 'routerOptions' | 'requestIdHeader' | 'genReqId')
  | ('frameworkErrors' | 'clientErrorHandler')
>;

/** A name that comes from outside stands in logs: nothing else than a word is taken. */
function genReqId({ headers }: IncomingMessage | { readonly headers: IncomingMessage['headers'] }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

const statuses: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** What is no HTTP has no request and no reply: it is answered on its socket. */
function refuseByHand(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) {
    socket.destroy();
    return;
  }
  const { status, body, headers } = plainAnswer(statuses[error.code ?? ''] ?? 400);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${String(status)} ${body.code}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${String(Buffer.byteLength(text))}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`);
}
