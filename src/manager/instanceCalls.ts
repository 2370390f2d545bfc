import { isDeepStrictEqual } from 'node:util';
import { map, mergeMap, type Observable, of } from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import type { Instances } from '../instances/instances.js';
import { InvalidState } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance, InstanceSpec } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';
import { causeOf } from './callOptions.js';
import { createCalls } from './calls.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import type { Controllers } from './controllers.js';
import type { InstanceTable } from './instanceTable.js';
import type { Endpoints } from './endpoints.js';
import { listInstances } from './listInstances.js';
import { neededFor } from './neededFor.js';
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
  const { driverOf, homeOf, snapshots, logReads, now } = shared;
  const { queue, whileOpen, onInstance } = turns;

  /** What the application hands in, and what comes of it. */
  const sized = <T>(value: T): T => requests.sized(value, tools.maxRequestBytes);

  const calls = createCalls(shared, turns, sized);

  const forked = (spec: InstanceSpec, changes: Parameters<typeof requests.decodeForked>[2]): InstanceSpec => {
    const changed = requests.decodeForked(driverOf(spec), spec, changes);
    return changed === spec ? spec : sized(changed);
  };

  const create: Instances['create'] = (request, options) =>
    calls('launch', ['create', request], options, ({ verbs, making }) => {
      const creation = requests.decodeCreation(drivers, sized(request), now());
      sized(creation.spec);
      return making('create', creation.name, (id) => verbs.create(id, creation));
    });

  return {
    ...createSnapshotCalls(calls, turns, snapshots, sized, forked),
    create,
    run: createRun({
      ...{ ...shared, ...turns, create },
      verbsFor: (options) => createCausedVerbs(shared, causeOf(options)).verbs,
      get: table.get,
      closing$: tools.closing$,
      eventsOf: tools.eventsOf,
      onThrow: tools.onThrow,
    }),
    get: (idOrName) => whileOpen(() => of(table.find(idOrName))),
    list: (listed = {}) =>
      whileOpen(() => of(listInstances(table.all(), requests.decodeListOptions(sized(listed))))),
    update: (idOrName, patch, options) =>
      calls('change', ['update', idOrName, patch], options, ({ verbs, expected, moving }) =>
        moving('update', idOrName, expected, (instance) => {
          const at = now();
          const spec = sized(requests.decodeUpdate(driverOf(instance.spec), instance.spec, sized(patch), at));
          refuseExpired(instance, at);
          return isDeepStrictEqual(spec, instance.spec) ? of(instance) : verbs.update(instance, spec);
        }),
      ),
    start: (idOrName, overrides = {}, options) =>
      calls('changeAndLaunch', ['start', idOrName, overrides], options, ({ verbs, expected, onInstance }) =>
        onInstance('start', idOrName, (found) => {
          const instance = expected(found);
          const { kind } = transition('start', instance.state);
          const spec = requests.decodeOverrides(driverOf(instance.spec), instance.spec, sized(overrides));
          if (spec !== instance.spec) sized(spec);
          const asItIs = kind === 'noop' && spec === instance.spec;
          if (asItIs) return of(instance);
          if (kind !== 'move') {
            const running = 'what runs is changed by update and then restart';
            const needed = kind === 'noop' ? running : neededFor('start');
            throw new InvalidState({
              instanceId: instance.id,
              state: instance.state,
              verb: 'start',
              remedy: needed,
            });
          }
          return verbs.start(instance, spec);
        }),
      ),
    stop: (idOrName, options) =>
      calls('change', ['stop', idOrName], options, ({ verbs, expected, moving }) =>
        moving('stop', idOrName, expected, verbs.stop),
      ),
    standby: (idOrName, options) =>
      calls('change', ['standby', idOrName], options, ({ verbs, expected, moving }) =>
        moving('standby', idOrName, expected, verbs.standby),
      ),
    restore: (idOrName, options) =>
      calls('changeAndLaunch', ['restore', idOrName], options, ({ verbs, expected, moving }) =>
        moving('restore', idOrName, expected, verbs.restore),
      ),
    restart: (idOrName, options) =>
      calls('changeAndLaunch', ['restart', idOrName], options, ({ verbs, expected, onInstance }) =>
        onInstance('restart', idOrName, (found) => {
          const instance = expected(found);
          if (transition('stop', instance.state).kind === 'refused') {
            throw new InvalidState({
              instanceId: instance.id,
              state: instance.state,
              verb: 'restart',
              remedy: neededFor('stop', 'Stopped'),
            });
          }
          return verbs.restart(instance);
        }),
      ),
    delete: (idOrName, options) =>
      calls('change', ['delete', idOrName], options, ({ verbs, expected, moving }) =>
        moving('delete', idOrName, expected, verbs.delete),
      ),
    fork: (idOrName, request, options) =>
      calls('changeAndLaunch', ['fork', idOrName, request], options, ({ verbs, expected, making }) => {
        const source = table.exactly(idOrName);
        const decoded = requests.decodeFork(sized(request));
        return making('fork', decoded.name, (id) =>
          queue
            .run(source.id, () => {
              const found = expected(table.get(source.id));
              const spec = forked(found.spec, decoded);
              return verbs.copy(found, id, decoded).pipe(map(({ state }) => ({ spec, state })));
            })
            .pipe(mergeMap((copied) => verbs.fork(copied, id, decoded))),
        );
      }),
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

/** Whoever would have it live longer is told so whether or not its delete was quicker (hypeman: `instance_expired`). */
function refuseExpired({ id, state, spec: { expiresAt = Infinity } }: Instance, now: number): void {
  if (now < expiresAt) return;
  const remedy = 'its time is over, and it is about to be deleted; a fork of it would stay';
  throw new InvalidState({ instanceId: id, state, verb: 'update', remedy });
}
