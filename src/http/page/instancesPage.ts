import { createHash } from 'node:crypto';
import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify';
import { type PageFile, pageFiles } from '../../page/pageFiles.js';

/**
 * A plugin for Fastify that serves a page at `/`, or below the prefix that it is registered with, where {@link instancesApi} has to be
 * registered too: the instances as they change, the stream as it flows, the queues of consumers, one instance's log and history, and buttons for the
 * verbs. It is live again by itself after a restart of the server.
 *
 * The page holds nothing that is secret, and is served to everybody; what it shows it asks for as any client does, with a token that it asks
 * its user for, keeps in the tab, and puts in no URL and no cookie. It loads nothing from elsewhere, and its policy
 * (`Content-Security-Policy`) lets it load nothing.
 *
 * @example
 * ```ts
 * import fastify from 'fastify';
 * import { openManager } from 'rx-instances';
 * import { apiServerOptions, instancesApi, instancesPage } from 'rx-instances/http';
 * import { createMemoryDriver } from 'rx-instances/testing';
 *
 * const drivers = [createMemoryDriver()];
 * const manager = await openManager({ drivers });
 * const app = fastify(apiServerOptions());
 * await app.register(instancesApi, { manager, drivers });
 * await app.register(instancesPage);
 * const address = await app.listen({ host: '127.0.0.1', port: 0 });
 * const { headers } = await fetch(address, { headers: { connection: 'close' } });
 * headers.get('content-type'); // => 'text/html; charset=utf-8'
 * await app.close();
 * await manager.close();
 * ```
 */
export const instancesPage: FastifyPluginCallback = (app, _, done) => {
  for (const [path, file] of Object.entries(pageFiles)) {
    app.get(`/${path}`, { exposeHeadRoute: false, prefixTrailingSlash: 'slash' }, sending(file));
  }
  done();
};

/** Made ready once: what is asked for is compared, and sent as it is. */
function sending({ type, text }: PageFile): (request: FastifyRequest, reply: FastifyReply) => void {
  const bytes = Buffer.from(text);
  const tag = `"${hashOf(text).slice(0, 22)}"`;
  const headers = {
    'content-type': type,
    'content-security-policy': policy,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    // Another version of the server has another page.
    'cache-control': 'no-cache',
    etag: tag,
  };
  return (request, reply) => {
    reply.headers(headers);
    void (request.headers['if-none-match'] === tag ? reply.code(304).send() : reply.send(bytes));
  };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64');

/** The one script that stands in the page itself says where the modules lie. */
const [, importMap = ''] = /<script type="importmap">(.*?)<\/script>/s.exec(pageFiles['']?.text ?? '') ?? [];

const policy = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${hashOf(importMap)}'`,
  ...["style-src 'self'", "connect-src 'self'", "img-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  "require-trusted-types-for 'script'",
].join('; ');
