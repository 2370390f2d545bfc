import { Subject, type Subscription } from 'rxjs';
import { createInstanceNetwork, type FollowedNetwork } from '../../src/controllers/instanceNetwork.js';
import type { Endpoint } from '../../src/lifecycle/endpoint.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { changeOf, type InstanceChange } from '../../src/lifecycle/instanceChange.js';
import { aDelete, anInstance, anUpdate } from '../support/lifecycleEvents.js';

const changes$ = new Subject<InstanceChange>();
/** Where machines have their ports, by instance and port within it. */
const addresses = new Map<string, Endpoint>();
let ofHost: readonly string[];
let asked: number;
let network: FollowedNetwork;
let following: Subscription;

beforeEach(() => {
  jest.useFakeTimers();
  addresses.clear();
  [ofHost, asked] = [['192.0.2.1'], 0];
  network = createInstanceNetwork(
    { watch: () => changes$, addressOf: (id, guest) => addresses.get(`${id} ${String(guest)}`) },
    { has: ({ port }) => port === 40_001 },
    () => {
      asked += 1;
      return ofHost;
    },
  );
  following = network.run$.subscribe();
});
afterEach(() => {
  following.unsubscribe();
  jest.useRealTimers();
});

const withPorts = (id: string, ...guests: readonly number[]): Instance => {
  const instance = anInstance({ id });
  return { ...instance, spec: { ...instance.spec, ports: guests.map((guest) => ({ guest })) } };
};
const seen = (...instances: readonly Instance[]): void => {
  changes$.next({ kind: 'snapshot', instances, cursor: { epoch: 'e', sequence: 0 } });
};
const told = (event: LifecycleEvent): void => {
  const change = changeOf(event);
  if (change !== undefined) changes$.next(change);
};
const changed = (instance: Instance): void => {
  told(anUpdate(1, instance));
};
const at = (address: string, port: number): string | undefined => {
  const found = network.portAt({ address, port });
  return found && `${found.instanceId} ${String(found.guest)}`;
};

it('finds a machine at loopback by all addresses of this host, and by none of another', () => {
  addresses.set('a 80', { host: '127.0.0.1', port: 8_080 });
  seen(withPorts('a', 80));
  expect(['127.0.0.1', '127.9.9.9', '::1', '192.0.2.1', '203.0.113.9'].map((ip) => at(ip, 8_080))).toEqual([
    ...['a 80', 'a 80', 'a 80', 'a 80', undefined],
  ]);
  expect(at('127.0.0.1', 8_081)).toBeUndefined();
});

it('finds a machine with an address of its own by that alone', () => {
  addresses.set('a 80', { host: '198.51.100.7', port: 80 });
  seen(withPorts('a', 80, 443));
  expect(at('198.51.100.7', 80)).toBe('a 80');
  expect(at('127.0.0.1', 80)).toBeUndefined();
  expect(at('192.0.2.1', 80)).toBeUndefined();
});

it('tells two machines apart that have the same port, one of them at this host', () => {
  addresses.set('a 80', { host: '127.0.0.1', port: 80 });
  addresses.set('b 80', { host: '198.51.100.7', port: 80 });
  seen(withPorts('a', 80), withPorts('b', 80));
  expect([at('127.0.0.1', 80), at('198.51.100.7', 80)]).toEqual(['a 80', 'b 80']);
});

it('knows where a machine is after each change', () => {
  seen(withPorts('a', 80));
  expect(at('127.0.0.1', 8_080)).toBeUndefined();
  addresses.set('a 80', { host: '127.0.0.1', port: 8_080 });
  changed(withPorts('a', 80));
  expect(at('127.0.0.1', 8_080)).toBe('a 80');
  addresses.set('a 80', { host: '127.0.0.1', port: 8_081 });
  changed(withPorts('a', 80));
  expect([at('127.0.0.1', 8_080), at('127.0.0.1', 8_081)]).toEqual([undefined, 'a 80']);
  addresses.delete('a 80');
  changed(withPorts('a', 80));
  expect(at('127.0.0.1', 8_081)).toBeUndefined();
});

it('gives a port to who has it now, and not back with the end of who had it before', () => {
  addresses.set('a 80', { host: '127.0.0.1', port: 8_080 });
  seen(withPorts('a', 80));
  addresses.set('b 80', { host: '127.0.0.1', port: 8_080 });
  changed(withPorts('b', 80));
  told(aDelete(2, 'a'));
  expect(at('127.0.0.1', 8_080)).toBe('b 80');
});

it('forgets what is gone, also when that was missed', () => {
  addresses.set('a 80', { host: '127.0.0.1', port: 8_080 });
  seen(withPorts('a', 80));
  told(aDelete(2, 'a'));
  expect(at('127.0.0.1', 8_080)).toBeUndefined();
  changed(withPorts('a', 80));
  changes$.next({ kind: 'closing' });
  expect(at('127.0.0.1', 8_080)).toBe('a 80');
  seen();
  expect(at('127.0.0.1', 8_080)).toBeUndefined();
});

it('asks the system for its addresses no more than once a second, and only for a port that a machine has', () => {
  addresses.set('a 80', { host: '127.0.0.1', port: 8_080 });
  seen(withPorts('a', 80));
  expect([at('192.0.2.1', 9), asked]).toEqual([undefined, 0]);
  expect([at('192.0.2.1', 8_080), asked]).toEqual(['a 80', 1]);
  ofHost = ['192.0.2.2'];
  jest.advanceTimersByTime(999);
  expect([at('192.0.2.1', 8_080), at('192.0.2.2', 8_080), asked]).toEqual(['a 80', undefined, 1]);
  jest.advanceTimersByTime(1);
  expect([at('192.0.2.1', 8_080), at('192.0.2.2', 8_080), asked]).toEqual([undefined, 'a 80', 2]);
});

it('tells which connections are of the manager itself', () => {
  const machine = { address: '127.0.0.1', port: 8_080 };
  const isOwn = (port: number): boolean => network.isOwn({ address: '127.0.0.1', port }, machine);
  expect([isOwn(40_001), isOwn(40_002)]).toEqual([true, false]);
});
