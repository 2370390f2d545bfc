import type { FastifyContextConfig } from 'fastify';

/** What tokens permit, by name. */
export const permissions = [
  ...(['instance:read', 'instance:write', 'instance:delete'] as const),
  ...(['snapshot:read', 'snapshot:write', 'snapshot:delete'] as const),
  ...(['volume:read', 'volume:write', 'volume:delete'] as const),
  ...(['webhook:read', 'webhook:write', 'webhook:delete'] as const),
  'resource:read',
] as const;

/**
 * What a token has to permit for a route: a scope of hypeman's or one of webhooks, nothing in particular (`any`), or not even a token (`public`).
 *
 * @see hypeman `lib/scopes/scopes.go`
 */
export type Scope = (typeof permissions)[number] | 'any' | 'public';

const key = 'rxInstancesScope';

/** The configuration of a route of this scope. */
export const scoped = (scope: Scope): FastifyContextConfig => ({ [key]: scope }) as object;

/** The scope of a route; none where it has said none. */
export const scopeOf = (config: object | undefined): Scope | undefined =>
  (config as { readonly [key]?: Scope } | undefined)?.[key];
