import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import type { CallOptions, ChangeOptions, MutationOptions } from '../instances/callOptions.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { closed } from '../codecs/closed.js';
import { text } from '../codecs/scalars.js';
import { traceparent } from '../codecs/traceparent.js';
import { callerOf } from './access.js';
import type { ApiManager } from './apiManager.js';
import { paramOf } from './apiRoute.js';
import { findInstance } from './findInstance.js';

const headers = closed(
  'headers',
  {},
  {
    'idempotency-key': text('1 to 128 printable characters of ASCII, without spaces', (value) =>
      /^[\x21-\x7e]{1,128}$/.test(value),
    ),
    'if-match': text('a revision in quotes, such as "3"', (value) => /^"[1-9]\d{0,14}"$/.test(value)),
  },
);

const asked = (request: FastifyRequest): { readonly requestId?: string; readonly revision?: number } => {
  const { 'idempotency-key': key, 'if-match': match } = request.headers;
  if (key === undefined && match === undefined) return {};
  const decoded = decodeOrThrow(headers, { 'idempotency-key': key, 'if-match': match });
  const { 'idempotency-key': requestId, 'if-match': revision } = decoded;
  return {
    ...(requestId !== undefined && { requestId }),
    ...(revision !== undefined && { revision: Number(revision.slice(1, -1)) }),
  };
};

/** The trace that a request belongs to. One that is none is passed over: nobody's call fails for it. */
export function traceOf({
  headers: { traceparent: given },
}: FastifyRequest): Pick<CallOptions, 'traceparent'> {
  return traceparent.is(given) ? { traceparent: given } : {};
}

/** How a verb is called that a request asks for: by whom, under which name, and in which trace. @throws {@link InvalidRequest} */
export function callOf(request: FastifyRequest): MutationOptions {
  const { requestId } = asked(request);
  return {
    by: callerOf(request),
    ...traceOf(request),
    ...(requestId !== undefined && { requestId }),
  };
}

/**
 * Calls a verb of the instance that the path names. A request that may be asked again has to mean the same each time, so its instance is given
 * as it is written: by its whole id or name. @throws {@link InvalidRequest}
 */
export function onInstance<T>(
  manager: ApiManager,
  request: FastifyRequest,
  verb: (idOrName: string, options: ChangeOptions) => Observable<T>,
): Observable<T> {
  const { revision } = asked(request);
  const options = { ...callOf(request), ...(revision !== undefined && { expectedRevision: revision }) };
  const idOrName = paramOf(request);
  if (options.requestId !== undefined) return verb(idOrName, options);
  return findInstance(manager, idOrName).pipe(mergeMap(({ id }) => verb(id, options)));
}
