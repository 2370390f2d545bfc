import { connect, createServer, type AddressInfo } from 'node:net';
import { noop, Observable } from 'rxjs';
import type { ConnectionEnd } from '../../instances/connectionSource.js';

/**
 * Holds a connection of this process to itself, on loopback, until unsubscribed, and emits where it comes from once it is there. A table that
 * does not list it is not the whole truth.
 */
export const knownConnection$ = new Observable<ConnectionEnd>((subscriber) => {
  const server = createServer();
  server.once('error', (error) => {
    subscriber.error(error);
  });
  server.once('connection', (accepted) => {
    accepted.on('error', noop);
    subscriber.add(() => {
      accepted.destroy();
    });
    subscriber.next({ address: '127.0.0.1', port: accepted.remotePort ?? 0 });
  });
  server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
    const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    client.on('error', (error) => {
      subscriber.error(error);
    });
    subscriber.add(() => {
      client.destroy();
    });
  });
  return () => {
    server.close();
  };
});
