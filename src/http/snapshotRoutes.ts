import type { FastifyInstance } from 'fastify';
import { map, mergeMap, type Observable, of } from 'rxjs';
import { InvalidRequest } from '../lifecycle/errors.js';
import { answer, answerDone } from './answer.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import type { ApiManager } from './apiManager.js';
import { apiRoute, bodyOf, paramOf, queryOf } from './apiRoute.js';
import { callOf, onInstance } from './callOf.js';
import { forkSnapshotBody, restoreSnapshotBody, snapshotBody } from './instanceBodies.js';
import { said } from './policyBodies.js';
import { snapshotQuery } from './queries.js';

/** Serves snapshots. They are named by their ids. */
export function snapshotRoutes(app: FastifyInstance, { manager, written }: ApiContext): void {
  app.post(
    '/instances/:id/snapshots',
    apiRoute({
      operation: 'createInstanceSnapshot',
      scope: 'snapshot:write',
      summary: 'Take a snapshot of an instance',
      params: ['id'],
      body: snapshotBody,
      answers: { 201: answers.snapshot },
    }),
    (request, reply) => {
      const { compression, ...asked } = bodyOf(snapshotBody, request);
      const taken$ = onInstance(manager, request, (id, options) =>
        manager.createSnapshot(id, asked, options),
      );
      answer(reply, taken$.pipe(map(written.snapshot)), 201);
    },
  );

  app.post(
    '/instances/:id/snapshots/:snapshotId/restore',
    apiRoute({
      operation: 'restoreInstanceSnapshot',
      scope: 'snapshot:write',
      summary: 'Bring an instance back to a snapshot of its own',
      params: ['id', 'snapshotId'],
      body: restoreSnapshotBody,
      answers: { 200: answers.instance },
    }),
    (request, reply) => {
      const { target_state: targetState, target_hypervisor: driver } = bodyOf(restoreSnapshotBody, request);
      const snapshotId = paramOf(request, 'snapshotId');
      const restored$ = onInstance(manager, request, (id, options) =>
        sameDriver(manager, snapshotId, driver).pipe(
          mergeMap(() => manager.restoreSnapshot(id, snapshotId, said({ targetState }), options)),
        ),
      );
      answer(reply, restored$.pipe(mergeMap(written.instance)));
    },
  );

  app.get(
    '/snapshots',
    apiRoute({
      operation: 'listSnapshots',
      scope: 'snapshot:read',
      summary: 'List snapshots, oldest first',
      query: snapshotQuery,
      answers: { 200: answers.snapshots },
    }),
    (request, reply) => {
      const { source_instance_id: instanceId, kind, name, tags } = queryOf(snapshotQuery, request);
      const listed$ = manager.listSnapshots(said({ instanceId, kind, name, tags }));
      answer(reply, listed$.pipe(map(written.snapshots)));
    },
  );

  app.get(
    '/snapshots/:snapshotId',
    apiRoute({
      operation: 'getSnapshot',
      scope: 'snapshot:read',
      summary: 'Tell of a snapshot',
      params: ['snapshotId'],
      answers: { 200: answers.snapshot },
    }),
    (request, reply) => {
      answer(reply, manager.getSnapshot(paramOf(request, 'snapshotId')).pipe(map(written.snapshot)));
    },
  );

  app.delete(
    '/snapshots/:snapshotId',
    apiRoute({
      operation: 'deleteSnapshot',
      scope: 'snapshot:delete',
      summary: 'Delete a snapshot with its files',
      params: ['snapshotId'],
      answers: { 204: answers.done },
    }),
    (request, reply) => {
      answerDone(reply, manager.deleteSnapshot(paramOf(request, 'snapshotId'), callOf(request)));
    },
  );

  app.post(
    '/snapshots/:snapshotId/fork',
    apiRoute({
      operation: 'forkSnapshot',
      scope: 'snapshot:write',
      summary: 'Make a new instance of a snapshot',
      params: ['snapshotId'],
      body: forkSnapshotBody,
      answers: { 201: answers.instance },
    }),
    (request, reply) => {
      const {
        target_state: targetState,
        target_hypervisor: driver,
        ...asked
      } = bodyOf(forkSnapshotBody, request);
      const snapshotId = paramOf(request, 'snapshotId');
      const fork = said({ ...asked, targetState });
      const forked$ = sameDriver(manager, snapshotId, driver).pipe(
        mergeMap(() => manager.forkSnapshot(snapshotId, fork, callOf(request))),
      );
      answer(reply, forked$.pipe(mergeMap(written.instance)), 201);
    },
  );
}

/** A snapshot goes on with the driver that it was taken by: to name that is to ask for nothing. */
function sameDriver(
  manager: Pick<ApiManager, 'getSnapshot'>,
  snapshotId: string,
  driver: string | undefined,
): Observable<unknown> {
  if (driver === undefined) return of(undefined);
  return manager.getSnapshot(snapshotId).pipe(
    map(({ spec }) => {
      if (spec.driver === driver) return;
      const fault = { path: 'target_hypervisor', found: `'${driver.slice(0, 64)}'`, expected: spec.driver };
      throw new InvalidRequest({ faults: [fault] });
    }),
  );
}
