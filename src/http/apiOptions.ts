import * as t from 'io-ts';
import { closed, isRecord } from '../codecs/closed.js';
import { integer, text } from '../codecs/scalars.js';
import { secret } from '../codecs/secret.js';
import { withMethods } from '../codecs/withMethods.js';
import type { Webhooks } from '../instances/webhooks.js';
import type { ApiManager } from './apiManager.js';

/** What the API tells of a driver; every driver has it. */
export interface ServedDriver {
  readonly kind: string;
  readonly capabilities: { readonly standbyFrees: 'nothing' | 'cpu' | 'memory'; readonly execs?: boolean };
  /** Whether it takes snapshots. */
  readonly snapshots?: object;
}

/** What is measured, as a registry of `prom-client` has it. */
export interface ServedMetrics {
  readonly contentType: string;
  /** What is measured now, as Prometheus reads it. */
  metrics(): Promise<string>;
}

/** What is served, and for whom. */
export interface InstancesApiOptions {
  /** Whose instances are served. The API does not close it. */
  readonly manager: ApiManager;
  /** Its drivers, of which `/capabilities` tells: the first is told as the default. */
  readonly drivers: readonly ServedDriver[];
  /**
   * The secret of tokens: JWT signed by HS256, 32 characters or more. Whoever brings one may do what its `permissions` say (`["instance:read"]`), or
   * all where it has none; its `sub` is the `by` of the events that come of it. Without a secret everybody on this host may do all, and
   * nobody else anything.
   *
   * @defaultValue none
   */
  readonly secret?: string;
  /** A registry, served at `/metrics`. @defaultValue none: there is no such route */
  readonly metrics?: ServedMetrics;
  /** Webhooks of the manager, served at `/webhooks`. @defaultValue none: there are no such routes */
  readonly webhooks?: Webhooks;
  /** How many requests one address may make in a second. @defaultValue 10000 */
  readonly maxRequestsPerSecond?: number;
  /** How many connections the server has at most; one more is dropped. @defaultValue 10000 */
  readonly maxConnections?: number;
  /** How many answers may go on at a time, such as logs that are followed. @defaultValue 5000 */
  readonly maxStreams?: number;
  /** How long a server that closes waits for its clients to take what was answered, in milliseconds. @defaultValue 10000 */
  readonly drainMs?: number;
}

const count = (name: string): t.Type<number, number> => integer(name, 1, 1_000_000);

const isDriver = (value: unknown): boolean => isRecord(value) && typeof value['kind'] === 'string';

const driver = new t.Type<unknown>(
  'a driver',
  (value): value is unknown => isDriver(value),
  (value, context) => (isDriver(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

/** What a plugin is registered with, besides the path before its routes, which is Fastify's. */
export const apiOptions = closed(
  'options of the API',
  {
    manager: withMethods('a manager', 'create', 'get', 'list', 'watch', 'waitForState', 'status'),
    drivers: t.readonlyArray(driver, 'a list of drivers'),
  },
  {
    secret: secret(text('a secret of 32 characters or more', (value) => value.length >= 32)),
    metrics: withMethods('a registry of metrics', 'metrics'),
    webhooks: withMethods('webhooks', 'add', 'enable', 'get', 'list', 'remove', 'rotate'),
    maxRequestsPerSecond: count('requests'),
    maxConnections: count('connections'),
    maxStreams: count('streams'),
    drainMs: integer('milliseconds', 0, 3_600_000),
  },
);
