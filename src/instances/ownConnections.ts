import type { ConnectionEnd } from './connectionSource.js';

/** A socket that connects to a machine, or has. */
export interface OutgoingSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  once(event: 'connect' | 'close', listener: () => void): unknown;
}

/** The connections to machines that a manager has opened itself: no clients of theirs. */
export interface OwnConnections {
  /** Knows a socket from when it is connected on. To be called before that. */
  add(socket: OutgoingSocket): void;
  /** Whether such a connection is there, or was a moment ago. */
  has(source: ConnectionEnd, machine: ConnectionEnd): boolean;
}
