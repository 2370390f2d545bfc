import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { firstValueFrom, race, timer } from 'rxjs';
import type { OpenStreams } from './openStreams.js';

/**
 * Has a server that closes end what goes on: it takes no new connection, tells the clients of streams and waits why they end, lets requests that
 * have come be answered, and after the deadline closes whatever connection is left.
 */
export function drainOnClose(app: FastifyInstance, streams: OpenStreams, deadlineMs: number): void {
  const silent = silentConnections(app);
  let isDraining = false;
  // A connection that is kept alive would hold the server until its client leaves it.
  app.addHook('onSend', (_, reply, payload, done) => {
    if (isDraining) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('preClose', async () => {
    isDraining = true;
    const late = timer(deadlineMs).subscribe(() => {
      app.server.closeAllConnections();
    });
    app.server.once('close', () => {
      late.unsubscribe();
    });
    streams.endAll('the server stops');
    await firstValueFrom(race(streams.empty$, timer(deadlineMs)));
    for (const socket of silent) socket.destroy();
    app.server.on('connection', (socket: Socket) => socket.destroy());
  });
}

/** Connections that have asked nothing yet, as clients open in advance: Node takes them for busy until a head is overdue. */
function silentConnections({ server }: FastifyInstance): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', ({ socket }) => silent.delete(socket));
  return silent;
}
