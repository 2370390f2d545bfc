import type { FastifyInstance } from 'fastify';
import { apiRoute } from './apiRoute.js';
import { Refusal } from './refusal.js';
import type { Scope } from './scopes.js';

const absent: readonly (readonly [
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  operation: string,
  scope: Scope,
])[] = [
  ['GET', '/instances/:id/cp', 'copyInstance', 'instance:write'],
  ['GET', '/instances/:id/stat', 'statInstancePath', 'instance:read'],
  ['GET', '/instances/:id/stats', 'getInstanceStats', 'instance:read'],
  ['GET', '/instances/:id/snapshot-schedule', 'getInstanceSnapshotSchedule', 'snapshot:read'],
  ['PUT', '/instances/:id/snapshot-schedule', 'setInstanceSnapshotSchedule', 'snapshot:write'],
  ['DELETE', '/instances/:id/snapshot-schedule', 'deleteInstanceSnapshotSchedule', 'snapshot:delete'],
  ['POST', '/instances/:id/volumes/:volumeId', 'attachVolume', 'volume:write'],
  ['DELETE', '/instances/:id/volumes/:volumeId', 'detachVolume', 'volume:write'],
];

/** Answers what hypeman serves and this server has no counterpart for, so that a client knows, and does not try again. */
export function absentRoutes(app: FastifyInstance): void {
  for (const [method, url, operation, scope] of absent) {
    const params = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
    const description = { operation, scope, summary: 'Not served here: 501', params, answers: {} };
    app.route({
      method,
      url,
      ...apiRoute(description),
      handler: () => {
        throw new Refusal(501, 'not_implemented', 'this server has no counterpart for it');
      },
    });
  }
}
