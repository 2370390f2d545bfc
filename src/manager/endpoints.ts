import { concat, defer, filter, type Observable, of, take, takeUntil } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { port } from '../codecs/scalars.js';
import type { Driver } from '../drivers/driver.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { InvalidRequest, InvalidState, NotSupported } from '../lifecycle/errors.js';
import type { Instance, InstanceSpec } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import type { Machines } from './machines.js';
import { neededState } from './neededFor.js';

/** What {@link createEndpoints} needs. */
export interface EndpointsOptions {
  readonly driverOf: (spec: InstanceSpec) => Driver;
  readonly machines: Pick<Machines, 'of'>;
  /** Emits where somebody listens for a machine. */
  readonly listeningFor: (instance: Instance, guest: number) => Observable<Endpoint>;
  readonly eventsOf: (instanceId: string) => Observable<LifecycleEvent>;
}

/** Where machines are reached. */
export interface Endpoints {
  /** Where the machine of an instance has one of its ports now, whatever its state; nothing where it has no machine, or not that port. */
  addressOf(instanceId: string, guest: number): Endpoint | undefined;
  /**
   * Emits where a port of an instance is connected to: where somebody listens for its machine, else where that does itself.
   *
   * @throws {@link NotSupported}, {@link InvalidRequest}, {@link InvalidState}
   */
  endpoint(instance: Instance, guest: number): Observable<Endpoint>;
}

/** In which somebody can answer, now or once it goes on. */
const reached: readonly State[] = ['Initializing', 'Running', 'Paused'];

/** Creates {@link Endpoints}. */
export function createEndpoints(options: EndpointsOptions): Endpoints {
  const { driverOf, machines, listeningFor, eventsOf } = options;
  const addressOf: Endpoints['addressOf'] = (instanceId, guest) =>
    machines.of(instanceId)?.machine.ports?.addressOf(guest);

  return {
    addressOf,
    endpoint: (instance, guest) => {
      const { id, spec, state } = instance;
      refuseUnlessPort(driverOf(spec), spec, guest);
      const refusal = (remedy: string): InvalidState =>
        new InvalidState({ instanceId: id, state, verb: 'endpoint', remedy });
      const isReached = reached.includes(state);
      const ofMachine = addressOf(id, guest);
      if (isReached && ofMachine === undefined)
        throw refusal('the port was added after its start, so it has to be restarted');
      const gone$ = eventsOf(id).pipe(filter(({ action }) => action === 'delete'));
      const itself$ = defer(() => {
        if (!isReached || ofMachine === undefined) throw refusal(neededState(reached));
        return of(ofMachine);
      });
      return concat(listeningFor(instance, guest).pipe(takeUntil(gone$)), itself$).pipe(take(1));
    },
  };
}

function refuseUnlessPort({ kind, capabilities }: Driver, { ports = [] }: InstanceSpec, guest: number): void {
  if (capabilities.ports !== true) {
    throw new NotSupported({ driver: kind, verb: 'endpoint', reason: 'its machines have no ports' });
  }
  decodeOrThrow(closed('endpoint', { guest: port }, {}), { guest });
  const guests = ports.map((one) => one.guest);
  if (guests.includes(guest)) return;
  const expected = guests.length === 0 ? 'none: the instance has no ports' : `one of ${guests.join(', ')}`;
  throw new InvalidRequest({ faults: [{ path: 'guest', found: String(guest), expected }] });
}
