import { type Observable, of } from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import type { Executions } from '../instances/execRequest.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import { causeOf } from './callOptions.js';
import { createCalls } from './calls.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import { createChangeCalls } from './changeCalls.js';
import type { Controllers } from './controllers.js';
import type { Endpoints } from './endpoints.js';
import { createEnsure } from './ensure.js';
import type { InstanceTable } from './instanceTable.js';
import { listInstances } from './listInstances.js';
import type { Observations } from './observations.js';
import * as requests from './requests.js';
import { createRun } from './run.js';
import type { SendSignal } from './sendSignal.js';
import { createSnapshotCalls } from './snapshotCalls.js';
import type { Turns } from './turns.js';

/** What the verbs of an application are put together of. */
export interface InstanceCallsTools {
  readonly shared: SharedContext;
  readonly turns: Turns;
  readonly table: InstanceTable;
  readonly drivers: ReadonlyMap<string, Driver>;
  readonly controllers: Pick<Controllers, 'status' | 'hold'>;
  readonly observations: Observations;
  readonly executions: Executions;
  readonly sendSignal: SendSignal;
  readonly endpoints: Pick<Endpoints, 'endpoint'>;
  /** How large a request may be, in bytes. */
  readonly maxRequestBytes: number | undefined;
  readonly closing$: Observable<void>;
  eventsOf(instanceId: string): Observable<LifecycleEvent>;
  /** Hears what `onLine` of a run throws. */
  onThrow(error: unknown): void;
}

/** Creates the verbs as an application calls them: what it hands in is understood first, then each has its turn. */
export function createInstanceCalls(tools: InstanceCallsTools): Instances {
  const { shared, turns, table, drivers, controllers, observations, sendSignal } = tools;
  const { driverOf, homeOf, snapshots, logReads } = shared;
  const { queue, whileOpen, onInstance } = turns;

  /** What the application hands in, and what comes of it. */
  const sized = <T>(value: T): T => requests.sized(value, tools.maxRequestBytes);

  const calls = createCalls(shared, turns, sized);

  const forked = (spec: InstanceSpec, changes: Parameters<typeof requests.decodeForked>[2]): InstanceSpec => {
    const changed = requests.decodeForked(driverOf(spec), spec, changes);
    return changed === spec ? spec : sized(changed);
  };

  const changes = createChangeCalls({ ...{ calls, queue, table, drivers, sized, forked }, ...shared });

  return {
    ...tools.executions,
    ...createSnapshotCalls(calls, turns, snapshots, sized, forked, shared.secrets),
    ...changes,
    ensure: createEnsure({ shared, calls, whileOpen, drivers, sized }),
    run: createRun({
      ...{ ...shared, ...turns, create: changes.create },
      verbsFor: (options) => createCausedVerbs(shared, causeOf(options)).verbs,
      get: table.get,
      closing$: tools.closing$,
      eventsOf: tools.eventsOf,
      onThrow: tools.onThrow,
    }),
    get: (idOrName) => whileOpen(() => of(table.find(idOrName))),
    list: (listed = {}) =>
      whileOpen(() => of(listInstances(table.all(), requests.decodeListOptions(sized(listed))))),
    signal: (idOrName, name) =>
      whileOpen(() => {
        const known = requests.decodeSignal(driverOf(table.exactly(idOrName).spec), name);
        return onInstance('signal', idOrName, (instance) => sendSignal(instance, known));
      }),
    refresh: (idOrName) => onInstance('refresh', idOrName, observations.refresh),
    logs: (idOrName, options = {}) =>
      whileOpen(() => {
        const { id, spec } = table.find(idOrName);
        const driver = driverOf(spec);
        const { follow, ...reading } = requests.decodeLogOptions(driver, sized(options));
        return logReads.read(id, (end$) =>
          driver.logs(homeOf(id), follow ? { ...reading, followUntil$: end$ } : reading),
        );
      }),
    endpoint: (idOrName, guest) => whileOpen(() => tools.endpoints.endpoint(table.find(idOrName), guest)),
    status: (idOrName) => whileOpen(() => of(controllers.status(table.find(idOrName)))),
    hold: (idOrName) => whileOpen(() => controllers.hold(table.exactly(idOrName))),
  };
}
