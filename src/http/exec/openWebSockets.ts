import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { execProtocol } from '../../codecs/wire/wireExec.js';
import { Refusal } from '../refusal.js';

const mostBytes = 2 ** 20;

/** Opens a server to WebSockets, for the routes that are added from now on, and refuses them at all that have none. */
export async function openWebSockets(app: FastifyInstance): Promise<void> {
  // An application that has some of its own has registered them before: there are no two on one server.
  if (!app.hasDecorator('websocketServer')) {
    await app.register(websocket, {
      options: {
        maxPayload: mostBytes,
        handleProtocols: (protocols) => protocols.has(execProtocol) && execProtocol,
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
