import type { ConnectionEnd } from '../instances/connectionSource.js';
import type { OutgoingSocket, OwnConnections } from '../instances/ownConnections.js';
import { monotonicNow } from '../streams/monotonicNow.js';

/** The kernel lists one that we have closed for as long, if the other side does not close it (Linux: `nf_conntrack_tcp_timeout_fin_wait`, 120 s). */
const listedForMs = 150_000;

/** Creates {@link OwnConnections}. */
export function createOwnConnections(): OwnConnections {
  const open = new Set<string>();
  /** With when they were closed, the first of them first. */
  const closed = new Map<string, number>();

  const sweep = (now: number): void => {
    for (const [key, closedAt] of closed) {
      if (now < closedAt + listedForMs) return;
      closed.delete(key);
    }
  };

  const connected = (socket: OutgoingSocket): void => {
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
    const key = keyOf(
      { address: localAddress, port: localPort },
      { address: remoteAddress, port: remotePort },
    );
    closed.delete(key);
    open.add(key);
    socket.once('close', () => {
      open.delete(key);
      const now = monotonicNow();
      sweep(now);
      closed.set(key, now);
    });
  };

  return {
    add: (socket) => {
      socket.once('connect', () => {
        connected(socket);
      });
    },
    has: (source, machine) => {
      const key = keyOf(source, machine);
      if (open.has(key)) return true;
      sweep(monotonicNow());
      return closed.has(key);
    },
  };
}

const keyOf = (source: ConnectionEnd, machine: ConnectionEnd): string =>
  `${source.address} ${String(source.port)} ${machine.address} ${String(machine.port)}`;
