import type { FastifyContextConfig } from 'fastify';

/**
 * What a token has to permit for a route: a scope of hypeman's or one of webhooks, nothing in particular (`any`), or not even a token (`public`).
 *
 * @see hypeman `lib/scopes/scopes.go`
 */
export type Scope =
  | `${'instance' | 'snapshot' | 'volume' | 'webhook'}:${'read' | 'write' | 'delete'}`
  | 'resource:read'
  | 'any'
  | 'public';

const key = 'rxInstancesScope';

/** The configuration of a route of this scope. */
export const scoped = (scope: Scope): FastifyContextConfig => ({ [key]: scope }) as object;

/** The scope of a route; none where it has said none. */
export const scopeOf = (config: object | undefined): Scope | undefined =>
  (config as { readonly [key]?: Scope } | undefined)?.[key];
