import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  take,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import type { Driver } from '../drivers/driver.js';
import { DriverFailed } from '../lifecycle/errors.js';
import { type Instance, unknownExit } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import type { FinishingVerbs } from './finishingVerbs.js';
import type { Intent, Intents } from './intents.js';
import type { Held } from './machines.js';
import type { Observations } from './observations.js';
import { stopwatch } from './stopwatch.js';
import type { VerbContext } from './verbContext.js';

/** What a manager finds when it opens. */
export interface Left {
  readonly instances: readonly Instance[];
  /** Homes of which no instance is known. */
  readonly homes: readonly string[];
}

/** What recovery works with. */
export interface RecoveryTools extends VerbContext {
  readonly drivers: readonly Driver[];
  readonly observations: Observations;
  readonly intents: Intents;
  /** By what a verb is finished, or undone, that was written down. */
  finishing(intent: Intent): FinishingVerbs;
  /** The instance as it is now. */
  get(instanceId: string): Instance;
  /** Whether nothing has changed it since. */
  isStill(instance: Instance): boolean;
  /** Brings a home in order in which a restore from a snapshot was cut off. */
  mend(instance: Instance): Observable<never>;
  /** Runs a task while the queue of an instance is held. */
  run<T>(instanceId: string, task: () => Observable<T>): Observable<T>;
  /** The same after this, again and again until it does not fail, or the manager closes. */
  later(instanceId: string, task: () => Observable<unknown>): void;
}

/** How many instances and homes are recovered at a time. */
const atATime = 32;
/** After how many of them progress is told. */
const toldEvery = 500;
/** How long a driver may take to halt a machine or let it go on. */
const settleMs = 10_000;

/**
 * Brings everything that the manager before this one has left, however that ended, to what the records say, and completes
 * when all is done.
 *
 * - A machine that runs is taken over; one that has ended is published as `exit`.
 * - A machine that runs where none should be is killed, a home of which no instance is known is removed: a create, fork or
 *   start was cut off.
 * - A machine that stands still where it should run goes on, and the other way round: a standby or restore was cut off.
 * - A delete or restart that was cut off is finished, and a source that stood still for a fork goes on.
 *
 * So when it completes, each instance was looked at since, and was what its record says: what should not run is gone, and that was
 * waited for; what should run did. What a machine does after that look is told as at any other time: of a process that ends
 * then, its driver hears within its `pollMs`. A machine that could not be brought there within 10 s is told of to the logger, and its
 * instance is what a last look finds: Paused, Unknown. What the store refuses to keep is kept later.
 *
 * Nothing of this is harmed by being cut off itself: the next one begins anew.
 */
export function recover(tools: RecoveryTools, { instances, homes }: Left): Observable<never> {
  const {
    drivers,
    driverOf,
    homeOf,
    planOf,
    secrets,
    machines,
    records,
    observations,
    intents,
    finishing,
    logger,
    logFailure,
  } = tools;
  const seconds = stopwatch();
  const all = instances.length + homes.length;
  let recovered = 0;

  const count = (): void => {
    recovered += 1;
    if (recovered % toldEvery === 0) logger.info({ recovered, of: all }, 'recovering');
  };

  const adopted = ({ id, name, spec, state, wasReady, handle = {} }: Instance): Observable<Held> =>
    defer(() => {
      const known = machines.of(id);
      if (known !== undefined) return of(known);
      const isReady = state !== 'Initializing' && wasReady !== false;
      const untold = { ...planOf(id, name, spec), isReady };
      return secrets.told(untold).pipe(
        catchError((error: unknown) => {
          // What runs has them.
          logger.warn({ instanceId: id, err: error }, 'secrets cannot be read: what exec runs lacks them');
          return of(untold);
        }),
        mergeMap((plan) => driverOf(spec).adopt(plan, handle)),
        take(1),
        throwIfEmpty(() => new Error('the driver gave no machine')),
        map((machine) => {
          const held = machines.hold(id, machine);
          if (isReady) held.ready = true;
          return held;
        }),
      );
    });

  const reclaimed = ({ id, spec }: Instance): Observable<never> =>
    defer(() => driverOf(spec).reclaim?.(homeOf(id)) ?? EMPTY);

  /** Halts the machine or lets it go on, as its instance is; of one that has ended, nothing that it started is left then. */
  const settled = (instance: Instance, { machine }: Held): Observable<never> =>
    logFailure(
      { instanceId: instance.id },
      'a machine could not be brought to the state of its instance',
      defer(() => machine.inspect()).pipe(
        take(1),
        mergeMap(({ kind }) => {
          const { state } = instance;
          // Whoever killed it may not have waited until it was gone.
          if (kind === 'ended') return reclaimed(instance);
          if (kind === 'frozen' && runs(state)) return machine.freezing?.thaw() ?? EMPTY;
          if (kind === 'running' && state === 'Standby') return machine.freezing?.freeze() ?? EMPTY;
          return EMPTY;
        }),
        timeout(settleMs),
      ),
    );

  /** Takes over the machine of an instance, or writes down that it has ended. */
  const takenOver = (instance: Instance): Observable<unknown> =>
    adopted(instance).pipe(
      map((held) =>
        concat(
          settled(instance, held),
          defer(() => observations.refresh(instance)),
        ),
      ),
      catchError((error: unknown) => {
        logger.debug({ instanceId: instance.id, err: error }, 'a machine could not be found again');
        // What was to come after it may run by now.
        return of(concat(reclaimed(instance), records.ended('exit', instance, unknownExit)));
      }),
      mergeMap((rest$) => rest$),
    );

  const told = (instanceId: string, verb: string): void => {
    logger.info({ instanceId, verb }, 'a verb that was cut off is finished');
  };

  const finished = (instanceId: string, verb: string, work$: Observable<unknown>): Observable<never> => {
    told(instanceId, verb);
    return logFailure({ instanceId }, unfinished, work$);
  };

  /** What is left of a verb of which the first of two steps is done. Once the verb is done, or has failed, that is past. */
  const secondStep = (instance: Instance, intent: Intent): Observable<never> => {
    const { id, state, spec } = instance;
    const { verb, revision } = intent;
    if (instance.revision !== revision + 1) return EMPTY;
    const { verbs, concluded } = finishing(intent);
    if (verb === 'restart' && state === 'Stopped') {
      const started$ = concluded(() => verbs.start(instance, spec));
      return finished(id, verb, started$);
    }
    if (verb === 'still' && state === 'Standby') return finished(id, verb, verbs.restore(instance));
    return EMPTY;
  };

  const broughtBack = (instance: Instance, intent: Intent | undefined): Observable<never> => {
    const { id, handle, revision } = instance;
    if (intent?.verb === 'delete' && intent.revision === revision) {
      const held$ =
        handle === undefined
          ? reclaimed(instance)
          : adopted(instance).pipe(catchError(() => reclaimed(instance)));
      return concat(
        held$.pipe(ignoreElements()),
        defer(() => {
          told(id, 'delete');
          const { verbs, concluded } = finishing(intent);
          return concluded(() => verbs.delete(instance)).pipe(
            ignoreElements(),
            // What a driver can't do is for whoever asked; what the store refuses is done once it has room.
            catchError((error: unknown) => {
              const failed$ = throwError(() => error);
              return error instanceof DriverFailed
                ? logFailure({ instanceId: id }, unfinished, failed$)
                : failed$;
            }),
          );
        }),
      );
    }
    return concat(
      // Nothing that should not be there runs in a home that is brought in order.
      handle === undefined ? reclaimed(instance) : takenOver(instance).pipe(ignoreElements()),
      tools.mend(instance),
      intent === undefined
        ? EMPTY
        : concat(
            defer(() => secondStep(tools.get(id), intent)),
            intents.forget(id),
          ),
    );
  };

  /** Where the store refuses it, or a driver can't do it yet, it is done later, unless a verb was quicker. */
  const instanceDone = (instance: Instance, intent: Intent | undefined): Observable<never> =>
    tools
      .run(instance.id, () => broughtBack(instance, intent))
      .pipe(
        catchError((error: unknown) => {
          logger.warn(
            { instanceId: instance.id, err: error },
            'what became of an instance could not be kept',
          );
          tools.later(instance.id, () => (tools.isStill(instance) ? broughtBack(instance, intent) : EMPTY));
          return EMPTY;
        }),
      );

  /** Whose it was nobody knows: each driver ends what it has there, then each removes it. */
  const homeDone = (instanceId: string): Observable<never> => {
    const home = homeOf(instanceId);
    return logFailure(
      { instanceId },
      'a home of no instance could not be removed',
      concat(
        ...drivers.map((driver) => driver.reclaim?.(home) ?? EMPTY),
        ...drivers.map((driver) => driver.discard(home)),
      ),
    );
  };

  return intents.load().pipe(
    mergeMap((known) => {
      const work = [
        ...homes.map((instanceId) => () => homeDone(instanceId)),
        ...instances.map((instance) => () => instanceDone(instance, known.get(instance.id))),
      ];
      return from(work).pipe(mergeMap((step) => step().pipe(finalize(count)), atATime));
    }),
    finalize(() => {
      if (all > 0)
        logger.info({ instances: instances.length, homes: homes.length, seconds: seconds() }, 'recovered');
    }),
  );
}

const unfinished = 'a verb that was cut off could not be finished';

const runs = (state: State): boolean => state === 'Running' || state === 'Initializing';
