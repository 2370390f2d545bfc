import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { ServedMetrics } from '../http/apiOptions.js';
import { isLoopback } from '../http/isLoopback.js';

/** Serves metrics to Prometheus, which brings no token: numbers only, where the configuration says. */
export async function serveMetrics(
  metrics: ServedMetrics,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer((request, response) => {
    const { method, url, headers, socket } = request;
    response.setHeader('connection', 'close');
    const isOwn = !isLoopback(socket.localAddress ?? '') || isOfThisHost(headers.host ?? '');
    if (url !== '/metrics' || method !== 'GET' || !isOwn) {
      response.writeHead(isOwn ? 404 : 403).end();
      return;
    }
    metrics.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

/** A page of another place could have its own name lead here. */
const isOfThisHost = (host: string): boolean => {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || isLoopback(name);
};
