import { createId } from '@paralleldrive/cuid2';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  fromEvent,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  of,
  ReplaySubject,
  startWith,
  Subject,
  take,
  takeUntil,
  tap,
  throwError,
} from 'rxjs';
import { isRecord } from '../codecs/closed.js';
import { DriverFailed, InstanceNotFound, ManagerClosed } from '../lifecycle/errors.js';
import type { CreateRequest } from '../instances/instanceRequests.js';
import type { Instances } from '../instances/instances.js';
import type { RunOptions, RunOutcome, RunRequest } from '../instances/runRequest.js';
import { isOfSnapshot, type LifecycleEvent } from '../lifecycle/event.js';
import { type Instance, unknownExit } from '../lifecycle/instance.js';
import { type State, transition } from '../lifecycle/state.js';
import { gatherOutput, type Output } from './gatherOutput.js';
import { type ReadLines, readAsWritten } from './readAsWritten.js';
import { decodeRunOptions } from './requests.js';
import type { Turns } from './turns.js';
import type { Verbs } from './verbs.js';
import type { VerbContext } from './verbContext.js';

/** What a run is put together of. */
export interface RunTools
  extends Pick<Turns, 'onInstance' | 'whileOpen'>, Pick<VerbContext, 'driverOf' | 'homeOf' | 'logFailure'> {
  /** The verbs of one call. */
  verbsFor(options: RunOptions): Pick<Verbs, 'stop' | 'delete'>;
  readonly create: Instances['create'];
  /** The instance as it is now. */
  get(instanceId: string): Instance;
  readonly closing$: Observable<void>;
  eventsOf(instanceId: string): Observable<LifecycleEvent>;
  /** Hears what `onLine` throws. */
  onThrow(error: unknown): void;
}

type OwnVerbs = ReturnType<RunTools['verbsFor']>;

/** States in which a machine runs no program any more, and one that may never be left. */
const ends: readonly State[] = ['Stopped', 'Shutdown', 'Unknown'];

const defaultOutputBytes = 16 * 2 ** 20;

/** What is no object is left for `create` to refuse. */
const named = (request: RunRequest): CreateRequest =>
  isRecord(request) && request.name === undefined
    ? { ...request, name: `run-${createId()}` }
    : (request as CreateRequest);

/** Creates `run`, which is a verb made of others: what is under way is an instance like any other. */
export function createRun(tools: RunTools): Instances['run'] {
  const { create, get, closing$, eventsOf, verbsFor, onInstance, whileOpen } = tools;
  const { driverOf, homeOf, logFailure, onThrow } = tools;

  /** Emits the instance as it is when it has come to an end, once. */
  const ended = (created: Instance): Observable<Instance> => {
    const closed$ = closing$.pipe(mergeMap(() => throwError(() => new ManagerClosed())));
    const views$ = eventsOf(created.id).pipe(
      filter((event) => !isOfSnapshot(event)),
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

  /** All that an instance writes until `end$` emits. It is read from the beginning on: by the end a log may have lost that. */
  const outputOf = (
    { id, spec }: Instance,
    { outputMaxBytes = defaultOutputBytes, onLine = () => undefined }: RunOptions,
    end$: Observable<void>,
  ): Observable<Output> => {
    const driver = driverOf(spec);
    const [source] = driver.capabilities.logs;
    if (source === undefined) return gatherOutput(EMPTY, outputMaxBytes);
    const read: ReadLines = (reading) => driver.logs(homeOf(id), { source, tail: Infinity, ...reading });
    const lines$ = readAsWritten(read, end$).pipe(tap(contained(onLine, onThrow)));
    return gatherOutput(lines$, outputMaxBytes);
  };

  /** What the end was, of an instance that may have been started again since. Holds its queue. */
  const told = (
    { stop }: OwnVerbs,
    end: Instance,
    now: Instance,
    output$: Observable<Output>,
  ): Observable<RunOutcome> => {
    if (end.state === 'Unknown') {
      return throwError(
        () =>
          new DriverFailed({ instanceId: end.id, verb: 'run' }, { cause: end.stateError ?? 'it was lost' }),
      );
    }
    const stopped$ = now.state === 'Shutdown' ? stop(now) : of(end);
    return stopped$.pipe(
      mergeMap((instance) => {
        const { exit = unknownExit } = instance;
        return output$.pipe(map((output) => ({ exit, ...output, instance })));
      }),
    );
  };

  /** Does what is still to be done with an instance, and removes it, however that comes out. Holds its queue. */
  const thenDeleted = (
    verbs: OwnVerbs,
    id: string,
    work$: Observable<RunOutcome>,
  ): Observable<RunOutcome> => {
    const deleted$ = defer(() => verbs.delete(get(id))).pipe(ignoreElements());
    return work$.pipe(
      map((outcome) => of(outcome)),
      catchError((error: unknown) => of(throwError(() => error))),
      mergeMap((outcome$) => concat(deleted$, outcome$)),
    );
  };

  /** Ends and removes an instance for whose end nobody waits any more. */
  const givenUp = (verbs: OwnVerbs, id: string): Observable<never> =>
    logFailure(
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

  /** What is under way, of an instance that was created for it. */
  const begin = (created: Instance, options: RunOptions): Run => {
    const { id } = created;
    const verbs = verbsFor(options);
    const end$ = new ReplaySubject<void>(1);
    const output$ = new ReplaySubject<Output>(1);
    const gathering = defer(() => outputOf(created, options, end$)).subscribe(output$);
    const givenUp$ = new Subject<void>();
    let isOver = false;

    return {
      outcome$: ended(created).pipe(
        mergeMap((end) =>
          onInstance('delete', id, (now) => {
            isOver = true;
            const allOutput$ = defer(() => {
              end$.next();
              return output$;
            });
            const told$ = defer(() => told(verbs, end, now, allOutput$)).pipe(
              finalize(() => {
                gathering.unsubscribe();
              }),
            );
            return thenDeleted(verbs, id, told$);
          }),
        ),
        // The end of one that is given up is nobody's any more.
        takeUntil(givenUp$),
      ),
      giveUp: () => {
        if (isOver) return undefined;
        isOver = true;
        givenUp$.next();
        gathering.unsubscribe();
        const gone$ = new ReplaySubject<never>(1);
        // Whoever listens: it has to be removed.
        givenUp(verbs, id).subscribe(gone$);
        return gone$;
      },
    };
  };

  return (request, options = {}) =>
    whileOpen(() => {
      const decoded = decodeRunOptions(options);
      const { outputMaxBytes: _, onLine: __, signal, ...called } = decoded;
      const created$ = create(named(request), called);
      return new Observable<RunOutcome>((subscriber) => {
        const aborted = (): Observable<never> => throwError((): unknown => signal?.reason);
        const follow = (created: Instance): void => {
          const run = begin(created, decoded);
          subscriber.add(() => {
            void run.giveUp();
          });
          if (subscriber.closed) return;
          const aborted$ = abortOf(signal).pipe(
            map(() => run.giveUp()),
            filter((gone$) => gone$ !== undefined),
            mergeMap((gone$) => concat(gone$, aborted())),
          );
          subscriber.add(merge(run.outcome$, aborted$).pipe(take(1)).subscribe(subscriber));
        };
        if (signal?.aborted === true) {
          aborted().subscribe(subscriber);
          return;
        }
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

/** A job under way. */
interface Run {
  /** Emits what became of it. */
  readonly outcome$: Observable<RunOutcome>;
  /** Ends and removes it; what is returned completes then. Nothing, once that is so or its outcome is being told. */
  giveUp(): Observable<never> | undefined;
}

/** Emits once it is aborted, at once where it was. */
const abortOf = (signal: AbortSignal | undefined): Observable<unknown> => {
  if (signal === undefined) return NEVER;
  return signal.aborted ? of('aborted') : fromEvent(signal, 'abort').pipe(take(1));
};

/** Calls what must not throw, until it has done so. */
function contained<T>(call: (value: T) => void, onThrow: (error: unknown) => void): (value: T) => void {
  let hasThrown = false;
  return (value) => {
    if (hasThrown) return;
    try {
      call(value);
    } catch (error) {
      hasThrown = true;
      onThrow(error);
    }
  };
}
