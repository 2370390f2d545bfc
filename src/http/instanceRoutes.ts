import type { FastifyInstance } from 'fastify';
import { mergeMap } from 'rxjs';
import { answer } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, bodyOf, paramOf, queryOf } from './apiRoute.js';
import { callOf, onInstance } from './callOf.js';
import { findInstance } from './findInstance.js';
import { sendTable } from './events/sendTable.js';
import { createBody, createRequest, updateBody } from './instanceBodies.js';
import { listQuery } from './queries.js';
import { updateMerged } from './updateMerged.js';

/** Serves what there is, what is made, and what is changed. */
export function instanceRoutes(app: FastifyInstance, context: ApiContext): void {
  const { manager, written } = context;
  app.get(
    '/instances',
    apiRoute({
      operation: 'listInstances',
      scope: 'instance:read',
      summary: 'List instances, oldest first; with `watch=true` stream the list and what changes of it',
      query: listQuery,
      answers: { 200: answers.instances },
    }),
    (request, reply) => {
      const { watch = false, ...filter } = queryOf(listQuery, request);
      if (watch) sendTable(reply, filter, context);
      else answer(reply, manager.list(filter).pipe(mergeMap(written.instances)));
    },
  );

  app.post(
    '/instances',
    apiRoute({
      operation: 'createInstance',
      scope: 'instance:write',
      summary: 'Create an instance and start it',
      body: createBody,
      answers: { 201: answers.instance },
    }),
    (request, reply) => {
      const created$ = manager.create(createRequest(bodyOf(createBody, request)), callOf(request));
      answer(reply, created$.pipe(mergeMap(written.instance)), 201);
    },
  );

  app.get(
    '/instances/:id',
    apiRoute({
      operation: 'getInstance',
      scope: 'instance:read',
      summary: 'Tell of an instance',
      params: ['id'],
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      answer(reply, findInstance(manager, paramOf(request)).pipe(mergeMap(written.instance)));
    },
  );

  app.patch(
    '/instances/:id',
    apiRoute({
      operation: 'updateInstance',
      scope: 'instance:write',
      summary: 'Change what an instance is asked to be; variables join those that there are',
      params: ['id'],
      body: updateBody,
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      const body = bodyOf(updateBody, request);
      const updated$ = onInstance(manager, request, (id, options) =>
        updateMerged(manager, id, body, options),
      );
      answer(reply, updated$.pipe(mergeMap(written.instance)));
    },
  );
}
