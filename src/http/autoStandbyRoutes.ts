import type { FastifyInstance } from 'fastify';
import { catchError, map, mergeMap, type Observable, of, throwError } from 'rxjs';
import { hasTag } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { answer } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, paramOf } from './apiRoute.js';
import { findInstance } from './findInstance.js';
import { hypemanAutoStandby } from './hypemanAutoStandby.js';
import { Refusal } from './refusal.js';

/** Serves how auto-standby stands with an instance, and a hold of it. */
export function autoStandbyRoutes(app: FastifyInstance, { manager }: ApiContext): void {
  const statusOf = (instance: Instance): Observable<string> =>
    manager
      .status(instance.id)
      .pipe(map(({ autoStandby }) => JSON.stringify(hypemanAutoStandby(instance, autoStandby, Date.now()))));

  app.get(
    '/instances/:id/auto-standby/status',
    apiRoute({
      operation: 'getAutoStandbyStatus',
      scope: 'instance:read',
      summary: 'Tell how auto-standby stands with an instance',
      params: ['id'],
      answers: { 200: answers.autoStandby },
    }),
    (request, reply) => {
      answer(reply, findInstance(manager, paramOf(request)).pipe(mergeMap(statusOf)));
    },
  );

  app.post(
    '/instances/:id/auto-standby/hold',
    apiRoute({
      operation: 'holdAutoStandby',
      scope: 'instance:write',
      summary: 'Leave an instance alone for its idle timeout from now on',
      params: ['id'],
      answers: { 200: answers.autoStandby },
    }),
    (request, reply) => {
      const held$ = findInstance(manager, paramOf(request)).pipe(
        mergeMap((instance) =>
          manager
            .hold(instance.id)
            // Where nothing is ever put on standby, there is nothing to hold off: as hypeman has it.
            .pipe(
              catchError((error: unknown) =>
                hasTag(error, 'NotSupported') ? of(instance) : throwError(() => error),
              ),
            ),
        ),
        map((instance) => {
          if (instance.state === 'Standby')
            throw new Refusal(409, 'instance_in_standby', 'the instance is on standby: restore it');
          return instance;
        }),
        mergeMap(statusOf),
      );
      answer(reply, held$);
    },
  );
}
