import { createId } from '@paralleldrive/cuid2';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  startWith,
  take,
  throwError,
} from 'rxjs';
import { isRecord } from '../codecs/closed.js';
import { DriverFailed, InstanceNotFound, ManagerClosed } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { type State, transition } from '../lifecycle/state.js';
import type { CreateRequest, InstanceManager, RunOutcome, RunRequest } from './commands.js';
import { gatherOutput } from './gatherOutput.js';
import { decodeRunOptions } from './requests.js';
import type { Turns } from './turns.js';
import type { Verbs } from './verbs.js';
import type { Workshop } from './workshop.js';

/** What a run is put together of. */
export interface RunTools
  extends Pick<Turns, 'onInstance' | 'whileOpen'>, Pick<Workshop, 'driverOf' | 'homeOf' | 'orWarn'> {
  readonly verbs: Pick<Verbs, 'stop' | 'delete'>;
  readonly create: InstanceManager['create'];
  /** The instance as it is now. */
  get(instanceId: string): Instance;
  readonly closing$: Observable<void>;
  eventsOf(instanceId: string): Observable<LifecycleEvent>;
}

/** States in which a machine runs no program any more, and one that may never be left. */
const ends: readonly State[] = ['Stopped', 'Shutdown', 'Unknown'];

const defaultOutputBytes = 16 * 2 ** 20;

/** What is no object is left for `create` to refuse. */
const named = (request: RunRequest): CreateRequest =>
  isRecord(request) && request.name === undefined
    ? { ...request, name: `run-${createId()}` }
    : (request as CreateRequest);

/** Creates `run`, which is a verb made of others: what is under way is an instance like any other. */
export function createRun(tools: RunTools): InstanceManager['run'] {
  const { create, get, closing$, eventsOf, verbs, onInstance, whileOpen, driverOf, homeOf, orWarn } = tools;

  /** Emits the instance as it is when it has come to an end, once. */
  const ended = (created: Instance): Observable<Instance> => {
    const closed$ = closing$.pipe(mergeMap(() => throwError(() => new ManagerClosed())));
    const views$ = eventsOf(created.id).pipe(
      map(({ instance }) => {
        if (instance === undefined) throw new InstanceNotFound({ idOrName: created.id });
        return instance;
      }),
      // The queue of the instance is still held: nothing can have happened to it since.
      startWith(created),
    );
    return merge(closed$, views$).pipe(
      filter(({ state }) => ends.includes(state)),
      take(1),
    );
  };

  const outcomeOf = (instance: Instance, mostBytes: number): Observable<RunOutcome> =>
    defer(() => {
      const { id, spec, exit = { code: null, signal: null } } = instance;
      const driver = driverOf(spec);
      const [source] = driver.capabilities.logs;
      const lines$ =
        source === undefined ? EMPTY : driver.logs(homeOf(id), { source, tail: Infinity, after: 0 });
      return gatherOutput(lines$, mostBytes).pipe(map((output) => ({ exit, ...output, instance })));
    });

  /** What the end was, of an instance that may have been started again since. Holds its queue. */
  const told = (end: Instance, now: Instance, mostBytes: number): Observable<RunOutcome> => {
    if (end.state === 'Unknown') {
      return throwError(
        () =>
          new DriverFailed({ instanceId: end.id, verb: 'run' }, { cause: end.stateError ?? 'it was lost' }),
      );
    }
    const stopped$ = now.state === 'Shutdown' ? verbs.stop(now) : of(end);
    return stopped$.pipe(mergeMap((stopped) => outcomeOf(stopped, mostBytes)));
  };

  /** Does what is still to be done with an instance, and removes it, however that comes out. Holds its queue. */
  const thenDeleted = (id: string, work$: Observable<RunOutcome>): Observable<RunOutcome> => {
    const deleted$ = defer(() => verbs.delete(get(id))).pipe(ignoreElements());
    return work$.pipe(
      map((outcome) => of(outcome)),
      catchError((error: unknown) => of(throwError(() => error))),
      mergeMap((outcome$) => concat(deleted$, outcome$)),
    );
  };

  /** Ends and removes an instance for whose end nobody waits any more. */
  const givenUp = (id: string): Observable<never> =>
    orWarn(
      { instanceId: id },
      'an instance whose run was given up could not be removed',
      onInstance('delete', id, (instance) => {
        const isStopped = transition('stop', instance.state).kind !== 'move';
        const stopped$ = isStopped ? of(instance) : verbs.stop(instance).pipe(catchError(() => of(instance)));
        return stopped$.pipe(mergeMap(verbs.delete));
      }).pipe(
        catchError((error: unknown) =>
          error instanceof ManagerClosed || error instanceof InstanceNotFound
            ? EMPTY
            : throwError(() => error),
        ),
      ),
    );

  return (request, options = {}) =>
    whileOpen(() => {
      const { outputMaxBytes = defaultOutputBytes } = decodeRunOptions(options);
      const created$ = create(named(request));
      return new Observable<RunOutcome>((subscriber) => {
        const follow = (created: Instance): void => {
          const { id } = created;
          let isTaken = false;
          subscriber.add(() => {
            if (!isTaken) givenUp(id).subscribe();
          });
          if (subscriber.closed) return;
          const run$ = ended(created).pipe(
            mergeMap((end) =>
              onInstance('delete', id, (now) => {
                isTaken = true;
                return thenDeleted(
                  id,
                  defer(() => told(end, now, outputMaxBytes)),
                );
              }),
            ),
          );
          subscriber.add(run$.subscribe(subscriber));
        };
        // Not the subscriber's: a creation that has begun runs to its end, and what comes of it has to be removed.
        created$.subscribe({
          next: follow,
          error: (error: unknown) => {
            subscriber.error(error);
          },
        });
      });
    });
}
