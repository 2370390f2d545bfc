import { isDeepStrictEqual } from 'node:util';
import { map, mergeMap, type Observable, of } from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import type { Instances } from '../instances/instances.js';
import type { Instance, InstanceSpec } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';
import type { Calls } from './calls.js';
import type { SharedContext } from './causedVerbs.js';
import type { InstanceTable } from './instanceTable.js';
import { invalidState } from './invalidState.js';
import { neededFor } from './neededFor.js';
import * as requests from './requests.js';
import type { Turns } from './turns.js';

/** What the verbs that change instances are put together of. */
export interface ChangeCallsTools extends Pick<SharedContext, 'driverOf' | 'now' | 'secrets'> {
  readonly calls: Calls;
  readonly queue: Turns['queue'];
  readonly table: InstanceTable;
  readonly drivers: ReadonlyMap<string, Driver>;
  /** Gives what is not too large. @throws {@link InvalidRequest} */
  sized<T>(value: T): T;
  /** The spec of a fork. @throws {@link InvalidRequest} */
  forked(spec: InstanceSpec, changes: Parameters<typeof requests.decodeForked>[2]): InstanceSpec;
}

/** The verbs that change instances. */
export type ChangeCalls = Pick<
  Instances,
  'create' | 'update' | 'start' | 'stop' | 'standby' | 'restore' | 'restart' | 'delete' | 'fork'
>;

/** Creates the {@link ChangeCalls} as an application calls them. */
export function createChangeCalls(tools: ChangeCallsTools): ChangeCalls {
  const { calls, queue, table, drivers, sized, forked, driverOf, now, secrets } = tools;

  return {
    create: (request, options) =>
      calls('launch', ['create', request], options, ({ verbs, making }) => {
        const creation = requests.decodeCreation(drivers, sized(request), now());
        sized(creation.spec);
        return making('create', creation.name, (id) =>
          createdWith(secrets, creation, (given) => verbs.create(id, given)),
        );
      }),
    update: (idOrName, patch, options) =>
      calls('change', ['update', idOrName, patch], options, ({ verbs, expected, moving }) =>
        moving('update', idOrName, expected, (instance) => {
          const at = now();
          const update = requests.decodeUpdate(driverOf(instance.spec), instance.spec, sized(patch), at);
          sized(update.spec);
          refuseExpired(instance, at);
          return updated(instance, update, secrets, verbs.update);
        }),
      ),
    start: (idOrName, overrides = {}, options) =>
      calls('changeAndLaunch', ['start', idOrName, overrides], options, ({ verbs, expected, onInstance }) =>
        onInstance('start', idOrName, (found) => {
          const instance = expected(found);
          const spec = requests.decodeOverrides(driverOf(instance.spec), instance.spec, sized(overrides));
          return started(instance, spec === instance.spec ? spec : sized(spec), verbs.start);
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
        onInstance('restart', idOrName, (found) => restarted(expected(found), verbs.restart)),
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
            .pipe(mergeMap((copied) => secrets.holding(copied.spec, verbs.fork(copied, id, decoded)))),
        );
      }),
  };
}

/** Makes an instance, and keeps the secrets that it is to have. */
export const createdWith = (
  secrets: SharedContext['secrets'],
  creation: requests.Creation,
  create: (creation: requests.Creation) => Observable<Instance>,
): Observable<Instance> =>
  secrets.keeping(creation.secrets, (held) =>
    create({ ...creation, spec: requests.withSecrets(creation.spec, held) }),
  );

/** Updates what differs. */
function updated(
  instance: Instance,
  { spec, secrets: values }: requests.Update,
  secrets: SharedContext['secrets'],
  update: (instance: Instance, spec: InstanceSpec) => Observable<Instance>,
): Observable<Instance> {
  const kept = (next: InstanceSpec): Observable<Instance> =>
    isDeepStrictEqual(next, instance.spec) ? of(instance) : update(instance, next);
  if (values === undefined) return kept(spec);
  return secrets
    .areHeld(instance.spec.secrets, values)
    .pipe(
      mergeMap((areHeld) =>
        areHeld ? kept(spec) : secrets.keeping(values, (held) => kept(requests.withSecrets(spec, held))),
      ),
    );
}

/** Starts what is Stopped; of what runs nothing else may be asked than what it is. @throws {@link InvalidState} */
function started(
  instance: Instance,
  spec: InstanceSpec,
  start: (instance: Instance, spec: InstanceSpec) => Observable<Instance>,
): Observable<Instance> {
  const { kind } = transition('start', instance.state);
  if (kind === 'move') return start(instance, spec);
  if (kind === 'refused') throw invalidState(instance, 'start');
  if (spec === instance.spec) return of(instance);
  throw invalidState(instance, 'start', 'what runs is changed by update and then restart');
}

/** @throws {@link InvalidState} */
function restarted(
  instance: Instance,
  restart: (instance: Instance) => Observable<Instance>,
): Observable<Instance> {
  if (transition('stop', instance.state).kind !== 'refused') return restart(instance);
  throw invalidState(instance, 'restart', neededFor('stop', 'Stopped'));
}

/** Whoever would have it live longer is told so whether or not its delete was quicker (hypeman: `instance_expired`). */
function refuseExpired(instance: Instance, now: number): void {
  const { expiresAt = Infinity } = instance.spec;
  if (now < expiresAt) return;
  const remedy = 'its time is over, and it is about to be deleted; a fork of it would stay';
  throw invalidState(instance, 'update', remedy);
}
