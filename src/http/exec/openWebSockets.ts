import type { Duplex } from 'node:stream';
import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { execProtocol } from '../../codecs/wire/wireExec.js';
import { Refusal } from '../refusal.js';

const mostBytes = 2 ** 20;

/** Where nobody takes a connection that long, a WebSocket does not come of it. Node has let go of it, and looks at no time. */
const untakenMs = 10_000;

/** Opens a server to WebSockets, for the routes that are added from now on, and refuses them at all that have none. */
export async function openWebSockets(app: FastifyInstance): Promise<void> {
  refuseBehindOthers(app);
  // An application that has some of its own has registered them before: there are no two on one server.
  if (!app.hasDecorator('websocketServer')) {
    await app.register(websocket, {
      options: {
        maxPayload: mostBytes,
        // A token that is offered as one has to be answered too: the client ends the connection otherwise.
        handleProtocols: (protocols) =>
          protocols.has(execProtocol) ? execProtocol : ([...protocols][0] ?? false),
      },
      errorHandler: (error, socket, request) => {
        request.log.info({ err: error }, 'a WebSocket was broken off');
        socket.terminate();
      },
      // They are ended with all that goes on.
      preClose: (done) => {
        done();
      },
    });
  }
  app.addHook('onRoute', (route) => {
    if (route.wsHandler === undefined) route.onRequest = [refuseSocket, ...[route.onRequest ?? []].flat()];
  });
}

/** Else it would be opened, and closed at once. */
function refuseSocket(request: FastifyRequest, _: FastifyReply, done: () => void): void {
  if (request.ws) throw new Refusal(400, 'invalid_request', 'there is no WebSocket here');
  done();
}

/** What is asked for while an earlier answer is under way on its connection can't be answered there: that connection would stay open for ever. */
function refuseBehindOthers({ server }: FastifyInstance): void {
  const answering = new WeakMap<Duplex, number>();
  const count = (socket: Duplex, change: number): void => {
    answering.set(socket, (answering.get(socket) ?? 0) + change);
  };
  server.on('request', ({ socket }, response) => {
    count(socket, 1);
    response.once('close', () => {
      count(socket, -1);
    });
  });
  server.on('upgrade', ({ socket }) => {
    // A WebSocket ends this.
    socket.setTimeout(untakenMs, () => socket.destroy());
    if ((answering.get(socket) ?? 0) > 0) socket.destroy();
  });
}
