import type { FastifyInstance } from 'fastify';
import { catchError, map, mergeMap, type Observable, of, throwError } from 'rxjs';
import type { ChangeOptions } from '../instances/callOptions.js';
import { hasTag } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { answer, answerDone } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import type { ApiManager } from './apiManager.js';
import { apiRoute, bodyOf, queryOf } from './apiRoute.js';
import { onInstance } from './callOf.js';
import { forkBody, forkRequest, standbyBody, startBody, startOverrides } from './instanceBodies.js';
import { deleteQuery } from './queries.js';

/** Serves the verbs of one instance. */
export function verbRoutes(app: FastifyInstance, { manager, written }: ApiContext): void {
  const text = (instance$: Observable<Instance>): Observable<string> =>
    instance$.pipe(mergeMap(written.instance));

  app.delete(
    '/instances/:id',
    apiRoute({
      operation: 'deleteInstance',
      scope: 'instance:delete',
      summary: 'Delete an instance, at once or after a stop',
      params: ['id'],
      query: deleteQuery,
      answers: { 204: answers.done },
    }),
    (request, reply) => {
      const { graceful_shutdown: isGraceful = false } = queryOf(deleteQuery, request);
      const remove = isGraceful ? stopThenDelete(manager) : manager.delete;
      answerDone(reply, onInstance(manager, request, remove));
    },
  );

  app.post(
    '/instances/:id/start',
    apiRoute({
      operation: 'startInstance',
      scope: 'instance:write',
      summary: 'Start a Stopped instance',
      params: ['id'],
      body: startBody,
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      const overrides = startOverrides(bodyOf(startBody, request));
      answer(
        reply,
        text(onInstance(manager, request, (id, options) => manager.start(id, overrides, options))),
      );
    },
  );

  app.post(
    '/instances/:id/stop',
    apiRoute({
      operation: 'stopInstance',
      scope: 'instance:write',
      summary: 'Stop an instance',
      params: ['id'],
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      answer(reply, text(onInstance(manager, request, manager.stop)));
    },
  );

  app.post(
    '/instances/:id/standby',
    apiRoute({
      operation: 'standbyInstance',
      scope: 'instance:write',
      summary: 'Put a Running instance on standby',
      params: ['id'],
      body: standbyBody,
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      bodyOf(standbyBody, request);
      answer(reply, text(onInstance(manager, request, manager.standby)));
    },
  );

  app.post(
    '/instances/:id/restore',
    apiRoute({
      operation: 'restoreInstance',
      scope: 'instance:write',
      summary: 'Let an instance on Standby go on',
      params: ['id'],
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      answer(reply, text(onInstance(manager, request, manager.restore)));
    },
  );

  app.post(
    '/instances/:id/fork',
    apiRoute({
      operation: 'forkInstance',
      scope: 'instance:write',
      summary: 'Make a new instance from a copy of this one',
      params: ['id'],
      body: forkBody,
      answers: { 201: answers.instance },
    }),
    (request, reply) => {
      const fork = forkRequest(bodyOf(forkBody, request));
      answer(
        reply,
        text(onInstance(manager, request, (id, options) => manager.fork(id, fork, options))),
        201,
      );
    },
  );
}

/** What can't be stopped, and what is gone by now, is deleted as it is. A request id names the deletion. */
const stopThenDelete =
  (manager: ApiManager) =>
  (idOrName: string, { requestId, ...options }: ChangeOptions): Observable<Instance> => {
    const { expectedRevision, ...call } = options;
    return manager.stop(idOrName, options).pipe(
      map(() => undefined),
      catchError((error: unknown) =>
        hasTag(error, 'InvalidState') || hasTag(error, 'InstanceNotFound')
          ? of(undefined)
          : throwError(() => error),
      ),
      mergeMap(() => manager.delete(idOrName, { ...call, ...(requestId !== undefined && { requestId }) })),
    );
  };
