import type { FastifyInstance } from 'fastify';
import { map, mergeMap } from 'rxjs';
import { millisecondsOf } from '../codecs/duration.js';
import type { State } from '../lifecycle/state.js';
import type { WaitTarget } from '../streams/waitOptions.js';
import { answerWhileThere } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, paramOf, queryOf } from './apiRoute.js';
import { findInstance } from './findInstance.js';
import { waitQuery } from './queries.js';
import { Refusal } from './refusal.js';

const longestMs = 300_000;

/** Serves a wait for a state. It ends with its client's connection, and leaves nothing. */
export function waitRoute(app: FastifyInstance, { manager, streams }: ApiContext): void {
  app.get(
    '/instances/:id/wait',
    apiRoute({
      operation: 'waitForState',
      scope: 'instance:read',
      summary: 'Wait until an instance reaches a state, one minute if nothing is said, and five at most',
      params: ['id'],
      query: waitQuery,
      answers: { 200: answers.waited },
    }),
    (request, reply) => {
      const { state, timeout } = queryOf(waitQuery, request);
      const target = targetOf(state);
      const timeoutMs = timeoutOf(timeout);
      const outcome$ = findInstance(manager, paramOf(request)).pipe(
        mergeMap(({ id }) => manager.waitForState(id, target, { timeoutMs })),
        map((outcome) =>
          JSON.stringify({
            state: outcome.state,
            timed_out: outcome.timedOut,
            state_error: outcome.stateError,
          }),
        ),
      );
      answerWhileThere(reply, outcome$, streams);
    },
  );
}

function targetOf(state: State): WaitTarget {
  if (state === 'Unknown') throw new Refusal(400, 'invalid_state', 'Unknown cannot be waited for');
  return state;
}

/** Longer ones are cut, as hypeman does. */
function timeoutOf(timeout = '60s'): number {
  const milliseconds = Math.round(millisecondsOf(timeout));
  if (Number.isNaN(milliseconds))
    throw new Refusal(400, 'invalid_timeout', 'timeout: expected a duration such as 30s or 2m');
  return Math.min(milliseconds, longestMs);
}
