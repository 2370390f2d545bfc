import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Observable } from 'rxjs';
import type { Endpoint } from '../lifecycle/endpoint.js';

/** So many clients may come at once; the kernel cuts it down to its own limit. */
const backlog = 4_096;
const keepAliveInitialDelay = 60_000;

/**
 * Listens until unsubscribed, and emits the port once it does. Fails where it can't. Each client is handed over unread, and stays
 * when the listener goes.
 */
export const listen = ({ host, port }: Endpoint, onClient: (client: Socket) => void): Observable<number> =>
  new Observable<number>((subscriber) => {
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay,
    });
    server.on('connection', onClient);
    server.on('error', (error) => {
      subscriber.error(error);
    });
    server.listen({ host, port, backlog }, () => {
      if (!subscriber.closed) subscriber.next((server.address() as AddressInfo).port);
    });
    return () => {
      server.close();
    };
  });
