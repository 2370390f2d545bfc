import type { Observable } from 'rxjs';

/** A TCP connection of a client to a port of an instance. */
export interface Connection {
  readonly instanceId: string;
  /** The port within the instance. */
  readonly guest: number;
  /** Where the client is. */
  readonly source: ConnectionEnd;
  /** When it was opened, or first seen: Unix time in milliseconds. */
  readonly since: number;
}

/** What a {@link ConnectionSource} tells. After `reset` some changes may have been missed: the table has to be read. */
export type ConnectionChange =
  { readonly kind: 'opened' | 'closed'; readonly connection: Connection } | { readonly kind: 'reset' };

/** How it is with a source that may not see everything: whether it does at this moment, and if not, why. */
export type ConnectionSourceState =
  | { readonly kind: 'connecting' | 'connected' }
  /** It never will on this system, or may later. */
  | { readonly kind: 'unsupported_platform' | 'observer_error'; readonly reason: string };

/** One end of a TCP connection. */
export interface ConnectionEnd {
  /** An address of IPv4 or IPv6. */
  readonly address: string;
  readonly port: number;
}

/** What a source that sees addresses is told of the instances of a manager. */
export interface InstanceNetwork {
  /** Which port of which instance its machine has at an address of this host, or at one of its own; nothing for any other. */
  portAt(end: ConnectionEnd): { readonly instanceId: string; readonly guest: number } | undefined;
  /**
   * Whether a connection is one of the manager's own, or was one a moment ago: its front door, which knows its clients itself, or its
   * health checks.
   */
  isOwn(source: ConnectionEnd, machine: ConnectionEnd): boolean;
}

/** Makes a source for the instances of a manager, each time that auto-standby begins its work. */
export type ConnectionSourceFactory = (network: InstanceNetwork) => ConnectionSource;

/** Who knows which clients are connected to instances. What it tells is a hint; its table is the truth. */
export interface ConnectionSource {
  /** A short fixed word for it, such as `front_door`. */
  readonly name: string;
  /** Emits changes as they come. Never completes while its source is there, and never errors: a loss is a `reset`. */
  readonly changes$: Observable<ConnectionChange>;
  /** Emits all connections that there are when it is subscribed to, then completes; fails where the table can't be read. */
  read(): Observable<readonly Connection[]>;
  /**
   * Emits how it is, at once and with each change. Absent where it sees everything, always. Of one that has it, changes may be missing: its
   * table is read every few seconds while somebody is connected.
   */
  readonly state$?: Observable<ConnectionSourceState>;
}
