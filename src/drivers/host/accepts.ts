import { connect, type Socket } from 'node:net';
import { Observable } from 'rxjs';
import type { Endpoint } from '../../lifecycle/endpoint.js';

/** How long a server may be silent to who has hung up, and how many bytes it may still say, until it is cut off. */
const lingerMs = 1_000;
const mostSaid = 65_536;

/**
 * Connects, says nothing, and hangs up. Emits whether somebody listens at the address, and completes; fails as `connect` does. It ends
 * a connection as a client does who has what it wanted: a reset kills a Node server that greets and has no `error` listener.
 */
export const accepts = (
  endpoint: Endpoint,
  onSocket: (socket: Socket) => void = () => undefined,
): Observable<boolean> =>
  new Observable((subscriber) => {
    const socket = connect({ ...endpoint });
    onSocket(socket);
    socket.once('connect', () => {
      // The kernel may have given it that very port: then it has reached itself.
      const isSelf = socket.localPort === endpoint.port && socket.localAddress === socket.remoteAddress;
      subscriber.next(!isSelf);
      subscriber.complete();
    });
    // Stays after the end: a socket that is destroyed may still fail.
    socket.on('error', (error) => {
      subscriber.error(error);
    });
    return () => {
      hangUp(socket);
    };
  });

function hangUp(socket: Socket): void {
  if (socket.connecting) {
    socket.destroy();
    return;
  }
  socket.setTimeout(lingerMs, () => socket.destroy());
  // What is not read is answered with a reset.
  socket.on('data', () => {
    if (socket.bytesRead > mostSaid) socket.destroy();
  });
  socket.unref().end();
}
