import type { FastifyContextConfig, FastifyRequest } from 'fastify';
import qs from 'qs';
import { decodeOrThrow } from '../codecs/decode.js';
import type { Described, JsonSchema } from './described.js';
import { type Scope, scoped } from './scopes.js';

/** What the document tells of a route, and who may ask it. */
export interface RouteDescription {
  /** Names it in the document, and where errors are told otherwise. */
  readonly operation: string;
  readonly scope: Scope;
  readonly summary: string;
  /** Names in its path. */
  readonly params?: readonly string[];
  readonly query?: Described<unknown>;
  readonly body?: Described<unknown>;
  /** Answers by status, besides errors. */
  readonly answers: Readonly<Record<number, JsonSchema>>;
}

/** What Fastify is told of a route. */
export interface RouteOptions {
  readonly config: FastifyContextConfig;
  readonly schema: object;
  readonly exposeHeadRoute: false;
}

const texts = (names: readonly string[]): JsonSchema => ({
  type: 'object',
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
});

/** Describes a route. Its schema is there for the document; what comes in is decoded by {@link bodyOf} and {@link queryOf}. */
export const apiRoute = (route: RouteDescription): RouteOptions => ({
  config: scoped(route.scope),
  exposeHeadRoute: false,
  schema: {
    operationId: route.operation,
    summary: route.summary,
    ...(route.scope === 'public' && { security: [] }),
    ...(route.params && { params: texts(route.params) }),
    ...(route.query && { querystring: route.query.schema }),
    ...(route.body && { body: route.body.schema }),
    response: {
      ...route.answers,
      '4xx': { description: 'It was not done; `code` says why', $ref: 'Error#' },
      '5xx': { description: 'It could not be done', $ref: 'Error#' },
    },
  },
});

/** The operation that a request is for. */
export const operationOf = (request: FastifyRequest): string | undefined =>
  (request.routeOptions.schema as { readonly operationId?: string } | undefined)?.operationId;

/** Decodes the body of a request; none is taken for an empty object. @throws {@link InvalidRequest} */
export const bodyOf = <A>({ codec }: Described<A>, { body }: FastifyRequest): A =>
  decodeOrThrow(codec, body ?? {});

/** Decodes what is asked for behind the path. @throws {@link InvalidRequest} */
export function queryOf<A>({ codec }: Described<A>, { raw: { url = '' } }: FastifyRequest): A {
  const mark = url.indexOf('?');
  const query = mark === -1 ? {} : qs.parse(url.slice(mark + 1), limits);
  return decodeOrThrow(codec, query);
}

const limits = { depth: 2, parameterLimit: 100, allowPrototypes: false } as const;

/** A part of the path. */
export const paramOf = (request: FastifyRequest, name = 'id'): string =>
  (request.params as Readonly<Record<string, string>>)[name] ?? '';
