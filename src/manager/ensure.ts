import { concat, defer, ignoreElements, mergeMap, type Observable, of } from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import type { Instances } from '../instances/instances.js';
import { InstanceNotFound } from '../lifecycle/errors.js';
import type { HeldSecrets, Instance } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';
import { causeOf, decodeEnsureOptions } from './callOptions.js';
import type { CalledVerbs, Calls } from './calls.js';
import { createCausedVerbs, type SharedContext } from './causedVerbs.js';
import { createdWith } from './changeCalls.js';
import { differingFields } from './differingFields.js';
import { invalidState } from './invalidState.js';
import * as requests from './requests.js';
import type { Turns } from './turns.js';

/** What `ensure` is put together of. */
export interface EnsureTools {
  readonly shared: SharedContext;
  readonly calls: Calls;
  readonly whileOpen: Turns['whileOpen'];
  readonly drivers: ReadonlyMap<string, Driver>;
  /** Gives what is not too large. @throws {@link InvalidRequest} */
  sized<T>(value: T): T;
}

/** Creates `ensure`, which is whichever verb brings an instance where it is asked to be, in one turn. */
export const createEnsure =
  ({ shared, calls, whileOpen, drivers, sized }: EnsureTools): Instances['ensure'] =>
  (request, options) =>
    whileOpen(() => {
      const { replace = false, ...called } = decodeEnsureOptions(options);
      const given = options === undefined ? undefined : called;
      return calls('changeAndLaunch', ['ensure', request, replace], given, (verbsOfCall) => {
        const { verbs, expected, onNamed, inPlaceOf } = verbsOfCall;
        const now = shared.now();
        const creation = requests.decodeCreation(drivers, sized(request), now);
        const { name, spec } = creation;
        const { secrets } = shared;
        sized(spec);

        const existing = (found: Instance): Observable<Instance> =>
          secrets
            .areHeld(found.spec.secrets, creation.secrets)
            .pipe(mergeMap((areHeld) => settled(found, areHeld)));

        const settled = (found: Instance, areHeld: boolean): Observable<Instance> => {
          const instance = expected(found);
          const asIt = requests.withSecrets(spec, areHeld ? instance.spec.secrets : notHeld);
          const differing = differingFields(instance.spec, asIt, { hasTtl: (request.ttlMs ?? 0) > 0, now });
          if (differing.length === 0) return brought(instance, verbsOfCall);
          if (!replace) throw invalidState(instance, 'ensure', remedyFor(differing));
          // Of no named request: a delete that is cut off is finished by the next manager, and is no outcome of this.
          const { verbs: unnamed } = createCausedVerbs(shared, causeOf(called));
          return inPlaceOf(instance, (id) =>
            // What can fail for want of room does so while the former one is still there.
            createdWith(secrets, creation, (given) =>
              concat(
                unnamed.delete(instance).pipe(ignoreElements()),
                defer(() => verbs.create(id, given)),
              ),
            ),
          );
        };

        return onNamed('ensure', name, existing, (id) => {
          if (called.expectedRevision !== undefined) throw new InstanceNotFound({ idOrName: name });
          return createdWith(secrets, creation, (given) => verbs.create(id, given));
        });
      });
    });

/** Brings an instance to run. Of one that is Unknown its driver is asked first. @throws {@link InvalidState} */
function brought(
  instance: Instance,
  tools: Pick<CalledVerbs, 'verbs' | 'observations'>,
): Observable<Instance> {
  const { verbs, observations } = tools;
  const moves = (verb: 'start' | 'restore' | 'stop'): boolean =>
    transition(verb, instance.state).kind === 'move';

  if (transition('start', instance.state).kind === 'noop') return of(instance);
  if (instance.state === 'Unknown') {
    return observations.refresh(instance).pipe(
      mergeMap((seen) => {
        if (seen.state !== 'Unknown') return brought(seen, tools);
        throw invalidState(seen, 'ensure', 'its driver cannot tell what it does; restart or delete it');
      }),
    );
  }
  if (moves('start')) return verbs.start(instance, instance.spec);
  if (moves('restore')) return verbs.restore(instance);
  if (moves('stop')) return verbs.restart(instance);
  throw invalidState(instance, 'ensure', 'delete it');
}

/** Differs from all that are held. */
const notHeld: HeldSecrets = { version: '', names: [] };

const remedyFor = (differing: readonly string[]): string =>
  `it is not what is asked for (${differing.join(', ')}); with replace it is deleted and created anew`;
