import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { firstValueFrom } from 'rxjs';
import { execProtocol } from '../../codecs/wire/wireExec.js';
import { InvalidState } from '../../lifecycle/errors.js';
import { answers } from '../answerSchemas.js';
import type { ApiContext } from '../apiContext.js';
import { apiRoute, paramOf } from '../apiRoute.js';
import { findInstance } from '../findInstance.js';
import { Refusal } from '../refusal.js';
import { callExec } from './callExec.js';
import { hypemanExec } from './hypemanExec.js';
import { protocolsOf } from './protocolsOf.js';

/** Serves programs that run in instances, as WebSockets: as hypeman does, and with all that `exec` of a manager has. */
export function execRoutes(app: FastifyInstance, context: ApiContext): void {
  const { manager, streams } = context;
  app.route({
    method: 'GET',
    url: '/instances/:id/exec',
    ...apiRoute({
      operation: 'execInstance',
      scope: 'instance:write',
      summary: 'Run a program in an instance, over a WebSocket, as hypeman does',
      params: ['id'],
      answers: { 101: answers.execHypeman },
    }),
    preHandler: async (request) => {
      if (!request.ws) return;
      streams.checkRoom();
      const { id, state } = await firstValueFrom(findInstance(manager, paramOf(request)));
      const remedy = 'it has to be Initializing or Running';
      if (state !== 'Running' && state !== 'Initializing')
        throw new InvalidState({ instanceId: id, state, verb: 'exec', remedy });
      (request.params as { id: string }).id = id;
    },
    handler: refuseOthers,
    wsHandler: (socket, request) => {
      hypemanExec(socket, request, context);
    },
  });

  app.route({
    method: 'GET',
    url: '/calls/exec',
    ...apiRoute({
      operation: 'call_exec',
      scope: 'instance:write',
      summary: `Call exec with arguments as they are within a program, over a WebSocket that speaks ${execProtocol}`,
      answers: { 101: answers.exec },
    }),
    preHandler: (request, _, done) => {
      streams.checkRoom();
      if (request.ws && !protocolsOf(request.headers).includes(execProtocol))
        throw new Refusal(400, 'invalid_request', `the WebSocket has to speak ${execProtocol}`);
      done();
    },
    handler: refuseOthers,
    wsHandler: (socket, request) => {
      callExec(socket, request, context);
    },
  });
}

function refuseOthers(_: FastifyRequest, reply: FastifyReply): void {
  void reply.send(new Refusal(426, 'upgrade_required', 'a WebSocket is needed', { upgrade: 'websocket' }));
}
