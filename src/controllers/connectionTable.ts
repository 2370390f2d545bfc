import { merge, type Observable, Subject } from 'rxjs';
import type { ConnectionSource } from '../instances/connectionSource.js';
import type { Logger } from '../instances/logger.js';
import type { Instance } from '../lifecycle/instance.js';
import { CountedConnections } from './countedConnections.js';
import { type OnConnection, watchSource } from './watchedSource.js';

/** Whether an instance is used. */
export interface Activity {
  /** How many connections there are that count. */
  readonly active: number;
  /** When the last of them came; told while there is one at least. */
  readonly lastInboundAt?: number;
  /** Why nobody knows for sure. */
  readonly trouble?: 'unsupported_platform' | 'observer_error';
}

/** Who is connected to instances, as several sources know it. */
export interface ConnectionTable {
  /** Follows the sources while it is subscribed, and emits the id of each instance whose connections have changed. */
  readonly changes$: Observable<string>;
  activityOf(instance: Instance): Activity;
  /** Reads the tables of all sources anew, and completes once they are taken in; fails where one can't be read. */
  confirm(): Observable<never>;
}

/** Creates a {@link ConnectionTable}. Without a source, or with one that can't work on this system, nobody knows who is connected. */
export function createConnectionTable(sources: readonly ConnectionSource[], logger: Logger): ConnectionTable {
  const instances = new Map<string, CountedConnections>();
  const changes$ = new Subject<string>();

  const onConnectionOf =
    (source: number): OnConnection =>
    (key, connection, isOpen) => {
      const { instanceId } = connection;
      const its = instances.get(instanceId) ?? new CountedConnections();
      const own = `${String(source)} ${key}`;
      if (isOpen) its.set(own, connection);
      else its.delete(own);
      if (its.isEmpty) instances.delete(instanceId);
      else instances.set(instanceId, its);
      changes$.next(instanceId);
    };

  const watched = sources.map((source, index) => watchSource(source, onConnectionOf(index), logger));

  const trouble = (): Activity['trouble'] => {
    const troubles = watched.map((source) => source.trouble());
    if (watched.length === 0 || troubles.includes('unsupported_platform')) return 'unsupported_platform';
    return troubles.includes('observer_error') ? 'observer_error' : undefined;
  };

  return {
    changes$: merge(changes$, ...watched.map(({ run$ }) => run$)),
    activityOf: ({ id, spec: { autoStandby } }) => {
      const why = trouble();
      const { active = 0, ...rest } = instances.get(id)?.by(autoStandby) ?? {};
      return { active, ...rest, ...(why !== undefined && { trouble: why }) };
    },
    confirm: () => merge(...watched.map((source) => source.read())),
  };
}
