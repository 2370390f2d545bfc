import { defer, of, Subject } from 'rxjs';
import type { Connection, ConnectionChange, ConnectionSource } from '../../src/instances/connectionSource.js';

/** A source of connections that the test plays. */
export interface PlayedSource extends Omit<ConnectionSource, 'read'> {
  /** Opens a connection, and tells of it unless it is missed. */
  open(fields?: Partial<Connection>, isTold?: boolean): Connection;
  close(connection: Connection, isTold?: boolean): void;
  tell(change: ConnectionChange): void;
  /** What the table holds. */
  readonly connections: ReadonlySet<Connection>;
  read: ConnectionSource['read'];
  /** What reading the table fails with, if it does. */
  failure: Error | undefined;
  /** Called within each read, before it answers. */
  onRead: () => void;
  /** How often the table was read. */
  reads: number;
}

/** Plays a {@link ConnectionSource}, of connections to this instance if not said otherwise. */
export function playSource(instanceId: () => string, more: Partial<ConnectionSource> = {}): PlayedSource {
  const connections = new Set<Connection>();
  const changes$ = new Subject<ConnectionChange>();
  let port = 40_000;
  const played: PlayedSource = {
    name: 'played',
    changes$,
    connections,
    failure: undefined,
    onRead: () => undefined,
    reads: 0,
    read: () =>
      defer(() => {
        played.reads += 1;
        played.onRead();
        if (played.failure !== undefined) throw played.failure;
        return of([...connections]);
      }),
    open: (fields = {}, isTold = true) => {
      const source = { address: '192.0.2.1', port: (port += 1) };
      const opened = { instanceId: instanceId(), guest: 80, source, since: Date.now(), ...fields };
      connections.add(opened);
      if (isTold) changes$.next({ kind: 'opened', connection: opened });
      return opened;
    },
    close: (connection, isTold = true) => {
      connections.delete(connection);
      if (isTold) changes$.next({ kind: 'closed', connection });
    },
    tell: (change) => {
      changes$.next(change);
    },
    ...more,
  };
  return played;
}
