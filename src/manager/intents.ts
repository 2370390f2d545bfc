import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { catchError, concat, defer, EMPTY, map, type Observable, of, throwError } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { decode } from '../codecs/decode.js';
import { oneOf } from '../codecs/scalars.js';
import type { Instance } from '../lifecycle/instance.js';
import type { AskedRequest, Store } from '../store/store.js';

/** A verb of several steps, of which some cannot be undone, and the revision that the instance had before the first. */
export interface Intent {
  /** `still` is the standby of an instance that runs, for as long as it is copied. */
  readonly verb: 'delete' | 'restart' | 'still';
  readonly revision: number;
  /** The request for it, where it has a name: what it comes to is remembered. */
  readonly request?: AskedRequest;
}

/** What is about to be done, written down before it is, so that whoever opens the manager next can finish it. */
export interface Intents {
  /** Does the work of a verb once it is written down. One that fails is not to be finished by anybody. */
  declared<T>(instance: Instance, verb: Intent['verb'], work$: Observable<T>): Observable<T>;
  /** What was written down, by instance; of a verb that is done it stays until the next, and its revision is past. */
  load(): Observable<ReadonlyMap<string, Intent>>;
  forget(instanceId: string): Observable<never>;
  /** The same, with the request for what is written down. */
  for(request: AskedRequest): Intents;
}

/** The name under which the manager itself remembers. */
export const remembersAs = 'manager';

/** Creates the {@link Intents} of a store. */
export function createIntents(store: Store, request?: AskedRequest): Intents {
  const forget = (instanceId: string): Observable<never> =>
    defer(() => store.saveRuntime(remembersAs, instanceId, undefined));

  return {
    declared: (instance, verb, work$) =>
      concat(
        store.saveRuntime(remembersAs, instance.id, {
          ...{ verb, revision: instance.revision },
          ...(request !== undefined && { request: { ...request } }),
        }),
        work$.pipe(
          catchError((error: unknown) =>
            concat(
              // The first failure is the one that is told.
              forget(instance.id).pipe(catchError(() => EMPTY)),
              throwError(() => error),
            ),
          ),
        ),
      ),
    load: () =>
      store.loadRuntime(remembersAs).pipe(
        map((byInstance) => {
          const known = [...byInstance].map(([id, value]) => [id, decode(intent, value)] as const);
          return new Map(known.flatMap(([id, decoded]) => (E.isRight(decoded) ? [[id, decoded.right]] : [])));
        }),
      ),
    forget,
    for: (asked) => createIntents(store, asked),
  };
}

/** Where nobody opens the manager again there is nothing to write down. */
export const noIntents: Intents = {
  declared: (_instance, _verb, work$) => work$,
  load: () => of(new Map()),
  forget: () => EMPTY,
  for: () => noIntents,
};

const intent = closed(
  'an intent',
  { verb: oneOf(['delete', 'restart', 'still']), revision: t.number },
  { request: closed('a request', { by: t.string, requestId: t.string, fingerprint: t.string }, {}) },
);
