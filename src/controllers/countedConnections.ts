import ipaddr from 'ipaddr.js';
import type { Connection } from '../instances/connectionSource.js';
import type { AutoStandby } from '../lifecycle/autoStandby.js';

/** Tells whether a connection keeps an instance with this policy awake. */
export function countedBy(policy: AutoStandby | undefined): (connection: Connection) => boolean {
  if (policy?.enabled !== true) return () => false;
  const networks = policy.ignoreSourceCidrs.map((network) => ipaddr.parseCIDR(network));
  const ports = new Set(policy.ignoreDestinationPorts);
  const isIgnored = (address: string): boolean => {
    if (networks.length === 0 || !ipaddr.isValid(address)) return false;
    // An IPv4 client of a listener for IPv6 has an address of both.
    const source = ipaddr.process(address);
    return networks.some(
      ([network, bits]) => source.kind() === network.kind() && source.match(network, bits),
    );
  };
  return ({ guest, source }) => !ports.has(guest) && !isIgnored(source.address);
}

/** The connections of one instance, of which those are counted that keep it awake. */
export class CountedConnections {
  /** By their source and their ends. */
  readonly #connections = new Map<string, Connection>();
  #policy: AutoStandby | undefined;
  #isCounted = countedBy(undefined);
  #active = 0;
  #lastInboundAt: number | undefined;

  get isEmpty(): boolean {
    return this.#connections.size === 0;
  }

  set(key: string, connection: Connection): void {
    this.delete(key);
    this.#connections.set(key, connection);
    this.#count(connection);
  }

  delete(key: string): void {
    const known = this.#connections.get(key);
    if (known === undefined) return;
    this.#connections.delete(key);
    if (this.#isCounted(known)) this.#active -= 1;
  }

  /** How many count by this policy, and when the last of them came. */
  by(policy: AutoStandby | undefined): { readonly active: number; readonly lastInboundAt?: number } {
    if (policy !== this.#policy) {
      this.#policy = policy;
      this.#isCounted = countedBy(policy);
      this.#active = 0;
      this.#lastInboundAt = undefined;
      for (const connection of this.#connections.values()) this.#count(connection);
    }
    const lastInboundAt = this.#lastInboundAt;
    return { active: this.#active, ...(lastInboundAt !== undefined && { lastInboundAt }) };
  }

  #count(connection: Connection): void {
    if (!this.#isCounted(connection)) return;
    this.#active += 1;
    this.#lastInboundAt = Math.max(connection.since, this.#lastInboundAt ?? 0);
  }
}
