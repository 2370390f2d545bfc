import { defer, EMPTY, finalize, Observable, of, ReplaySubject, Subject, switchMap, take } from 'rxjs';
import type { ConnectionChange, ConnectionSource } from '../instances/connectionSource.js';
import type { Controller, ControllerPort } from '../instances/controller.js';
import type { DoorStats } from '../instances/doorStats.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import type { FrontDoorOptions } from '../instances/frontDoorOptions.js';
import type { ForwardedPort, Instance } from '../lifecycle/instance.js';
import { newTally } from './doorTally.js';
import { createFrontDoor, type FrontDoor } from './frontDoor.js';
import { type ChosenPorts, chosenPorts, createKeptPorts } from './keptPorts.js';

const name = 'front_door';

/** The front door as a manager runs it. */
export interface DoorController extends Controller {
  /** Who is connected, those who wait included; nobody while it does not run. */
  readonly connections: ConnectionSource;
  stats(): DoorStats;
}

/** Creates the front door of a manager: {@link createFrontDoor} for the `ports` of its instances. */
export function createDoorController(
  options: FrontDoorOptions = {},
  own?: Pick<OwnConnections, 'add'>,
): DoorController {
  const changes = new Subject<ConnectionChange>();
  let door: FrontDoor | undefined;

  const opened = (port: ControllerPort, known: ReadonlyMap<string, ChosenPorts>): Observable<FrontDoor> =>
    new Observable<FrontDoor>((subscriber) => {
      const { refresh, restore, start } = port.instances;
      const { addressOf, logger, watch } = port;
      const portsOf = portsListenedFor(addressOf);
      const keptPorts = createKeptPorts(known, port.remembered(chosenPorts));
      const current = createFrontDoor(
        { refresh, restore, start, addressOf, portsOf, watch: () => watch({ hasFields: ['ports'] }) },
        { ...options, keptPorts, logger, ...(own && { own }) },
      );
      door = current;
      subscriber.add(current.connections.changes$.subscribe(changes));
      subscriber.add(() => {
        current.close();
      });
      subscriber.next(current);
    });

  return {
    name,
    connections: {
      name,
      changes$: changes.asObservable(),
      read: () => defer(() => door?.connections.read() ?? of([])),
    },
    stats: () => door?.stats() ?? { ...newTally(), listening: 0, retrying: 0 },
    open: (port) => {
      const doors = new ReplaySubject<FrontDoor>(1);
      return {
        decisions$: port
          .remembered(chosenPorts)
          .load()
          .pipe(
            switchMap((known) => opened(port, known)),
            switchMap((current) => {
              doors.next(current);
              return current.decisions$;
            }),
            finalize(() => {
              doors.complete();
            }),
          ),
        status: ({ id }) => {
          const ports = door?.status(id) ?? [];
          return ports.length === 0 ? {} : { frontDoor: ports.map(({ instanceId: _, ...status }) => status) };
        },
        endpoint: (instance, guest) =>
          (instance.spec.ports ?? []).length === 0
            ? EMPTY
            : doors.pipe(
                take(1),
                switchMap((current) => current.endpoint(instance, guest)),
              ),
      };
    },
  };
}

/** All but what the machine listens for itself: one from before there was a door. */
const portsListenedFor =
  (addressOf: ControllerPort['addressOf']) =>
  ({ id, spec: { ports = [] } }: Instance): readonly ForwardedPort[] =>
    ports.filter(({ guest, host = 0 }) => host === 0 || addressOf(id, guest)?.port !== host);
