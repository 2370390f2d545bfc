import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ignoreElements, type Observable, tap } from 'rxjs';
import type { ConnectionEnd, InstanceNetwork } from '../instances/connectionSource.js';
import type { ControllerPort } from '../instances/controller.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import type { Instance } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import { monotonicNow } from '../streams/monotonicNow.js';

/** An {@link InstanceNetwork} that knows where machines are while it is followed. */
export interface FollowedNetwork extends InstanceNetwork {
  /** Follows the instances while it is subscribed. */
  readonly run$: Observable<never>;
}

type PortOfInstance = NonNullable<ReturnType<InstanceNetwork['portAt']>>;

/** How long an answer of the system about its addresses is good for. */
const addressesLastMs = 1_000;

/**
 * Creates a {@link FollowedNetwork}. A machine that has its port at an address of loopback may listen at any other address of this host, too: by such a
 * port it is known at all of them.
 *
 * @param addressesOfHost - asked at most once a second
 */
export function createInstanceNetwork(
  { watch, addressOf }: Pick<ControllerPort, 'watch' | 'addressOf'>,
  own: Pick<OwnConnections, 'has'>,
  addressesOfHost: () => readonly string[] = systemAddresses,
): FollowedNetwork {
  const ports = new Map<string, PortOfInstance>();
  const keysOf = new Map<string, readonly string[]>();
  const isOfThisHost = createHostAddresses(addressesOfHost);

  const forget = (id: string): void => {
    for (const key of keysOf.get(id) ?? []) if (ports.get(key)?.instanceId === id) ports.delete(key);
    keysOf.delete(id);
  };

  const see = ({ id: instanceId, spec }: Instance): void => {
    forget(instanceId);
    const keys = (spec.ports ?? []).flatMap(({ guest }) => {
      const at = addressOf(instanceId, guest);
      if (at === undefined) return [];
      const key = keyOf({ address: isLoopback(at.host) ? thisHost : at.host, port: at.port });
      ports.set(key, { instanceId, guest });
      return [key];
    });
    if (keys.length > 0) keysOf.set(instanceId, keys);
  };

  const apply = (change: InstanceChange): void => {
    if (change.kind === 'snapshot') {
      ports.clear();
      keysOf.clear();
      change.instances.forEach(see);
    } else if (change.kind === 'upsert') see(change.instance);
    else if (change.kind === 'removed') forget(change.instanceId);
  };

  return {
    run$: watch({ hasFields: ['ports'] }).pipe(tap(apply), ignoreElements()),
    portAt: (end) => {
      const ofThisHost = ports.get(keyOf({ ...end, address: thisHost }));
      return ofThisHost !== undefined && isOfThisHost(end.address) ? ofThisHost : ports.get(keyOf(end));
    },
    isOwn: (source, machine) => own.has(source, machine),
  };
}

const thisHost = 'this host';

const keyOf = ({ address, port }: ConnectionEnd): string => `${address} ${String(port)}`;

const isLoopback = (address: string): boolean =>
  address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));

const systemAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((its = []) => its.map(({ address }) => address));

function createHostAddresses(addresses: () => readonly string[]): (address: string) => boolean {
  let known: readonly string[] = [];
  let askedAt = -Infinity;
  return (address) => {
    if (isLoopback(address)) return true;
    const now = monotonicNow();
    if (now >= askedAt + addressesLastMs) [known, askedAt] = [addresses(), now];
    return known.includes(address);
  };
}
