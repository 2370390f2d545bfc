import { defer, mergeMap, type Observable, retry, throwError, of } from 'rxjs';
import type { ChangeOptions } from '../instances/callOptions.js';
import { hasTag } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { ApiManager } from './apiManager.js';
import type { ValueOf } from './described.js';
import { type updateBody, updateRequest } from './instanceBodies.js';

/** How often somebody else may be quicker. */
const mostAttempts = 10;

/**
 * Updates an instance as hypeman does: variables join those that there are, of which others may be changed at the same moment. What is joined
 * depends on what was there, so it is not remembered under a request id, which would have to mean the same each time.
 */
export function updateMerged(
  manager: Pick<ApiManager, 'get' | 'update'>,
  idOrName: string,
  body: ValueOf<typeof updateBody>,
  options: ChangeOptions,
): Observable<Instance> {
  const patch = updateRequest(body);
  const { env } = patch;
  if (env === undefined) return manager.update(idOrName, patch, options);
  const { requestId, expectedRevision, ...call } = options;
  return defer(() => manager.get(idOrName)).pipe(
    mergeMap(({ id, spec, revision }) =>
      manager.update(
        id,
        { ...patch, env: { ...spec.env, ...env } },
        { ...call, expectedRevision: expectedRevision ?? revision },
      ),
    ),
    retry({
      count: mostAttempts,
      delay: (error: unknown) =>
        expectedRevision === undefined && hasTag(error, 'Conflict') ? of(true) : throwError(() => error),
    }),
  );
}
