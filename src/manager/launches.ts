import {
  catchError,
  concat,
  defer,
  EMPTY,
  identity,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  take,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import type { Freezing, LaunchPlan, Machine } from '../drivers/driver.js';
import { InvalidRequest, LaunchFailed, NotSupported } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { driverFailed, launchFailed } from './driverFailures.js';
import type { Held } from './machines.js';
import type { Observations } from './observations.js';
import { runningState } from './records.js';
import { faultsOfKept } from './requests.js';
import type { VerbContext } from './verbContext.js';

/** What machines are handled with. */
export interface LaunchesOptions extends Pick<
  VerbContext,
  'driverOf' | 'machines' | 'now' | 'rollbackOnError' | 'logFailure' | 'secrets'
> {
  readonly observations: Pick<Observations, 'refresh'>;
  /** How long a driver may take to launch a machine, in milliseconds; 0 is no bound. */
  readonly launchTimeoutMs: number;
}

/** How machines come up, stand still, go on, and are taken down. */
export interface Launches {
  /** Launches what a home holds, from the beginning, and takes the machine over. */
  launch(plan: LaunchPlan): Observable<Held>;
  /**
   * Brings what a home holds where it is to be, and writes that down. What cannot be undone is left for {@link Brought.after$}.
   */
  bring(
    plan: LaunchPlan,
    to: Destination,
    write: (changes: BroughtChanges) => Observable<Instance>,
  ): Observable<Brought>;
  /** Ends the machine of an instance, if it has one, and lets go of it. */
  takeDown(instanceId: string): Observable<never>;
  /** The same for one that is not needed any more: what fails is written to the log. */
  putAway(instanceId: string): Observable<never>;
  /** Lets the machine of an instance go on. */
  thawed(instance: Pick<Instance, 'id' | 'spec'>, verb: string): Observable<never>;
  /** The machine of an instance, and how to halt it. Throws {@link NotSupported} where that can't be done. */
  freezableOf(
    instance: Pick<Instance, 'id' | 'spec'>,
    verb: string,
  ): { readonly held: Held; readonly freezing: Freezing };
  /** What becomes of the record of an instance whose machine runs. */
  started(held: Held): Required<Pick<Instance, 'state' | 'startedAt' | 'handle'>>;
}

/** Where a home can be brought to. */
export type Target = 'Stopped' | 'Standby' | 'Running';

/** Where a home is to be brought, and as what it was made: with its memory (`Standby`), or without. */
interface Destination {
  readonly kind: Snapshot['kind'];
  readonly targetState: Target;
  /** The verb that it is for. */
  readonly verb: string;
}

/** What becomes of the record of an instance that was brought somewhere. */
type BroughtChanges = Partial<Pick<Instance, 'state' | 'startedAt' | 'handle' | 'wasReady'>>;

/** An instance that was brought somewhere, as it was written down. */
export interface Brought {
  readonly instance: Instance;
  /** What is to be done once it was. */
  readonly after$: Observable<never>;
}

/** Creates the {@link Launches}. */
export function createLaunches({
  driverOf,
  machines,
  now,
  rollbackOnError,
  logFailure,
  secrets,
  observations,
  launchTimeoutMs,
}: LaunchesOptions): Launches {
  const launch = (plan: LaunchPlan): Observable<Held> =>
    held(
      plan,
      defer(() => {
        const driver = driverOf(plan.spec);
        const faults = faultsOfKept(driver, plan.spec);
        if (faults.length === 0) return secrets.told(plan).pipe(mergeMap((told) => driver.launch(told)));
        const cause = new InvalidRequest({ faults });
        throw new LaunchFailed({ reason: `the spec has to be updated: ${cause.message}` }, { cause });
      }),
    );

  const held = (plan: LaunchPlan, machine$: Observable<Machine>): Observable<Held> =>
    machine$.pipe(
      launchTimeoutMs === 0 ? identity : timeout({ first: launchTimeoutMs, with: timedOut }),
      take(1),
      throwIfEmpty(() => new Error('the driver gave no machine')),
      map((machine) => machines.hold(plan.instanceId, machine)),
    );

  /** Ends a machine that should not have been. */
  const takeDown = (instanceId: string): Observable<never> =>
    defer(() => {
      const held = machines.of(instanceId);
      machines.release(instanceId);
      return held?.machine.kill() ?? EMPTY;
    }).pipe(ignoreElements());

  const freezableOf = (
    { id, spec }: Pick<Instance, 'id' | 'spec'>,
    verb: string,
  ): { readonly held: Held; readonly freezing: Freezing } => {
    const held = machines.of(id);
    const freezing = held?.machine.freezing;
    if (held === undefined || freezing === undefined) {
      throw new NotSupported({ driver: spec.driver, verb, reason: 'its machines cannot be halted' });
    }
    return { held, freezing };
  };

  const started: Launches['started'] = (held) => ({
    state: runningState(held),
    startedAt: now(),
    handle: held.machine.handle,
  });

  const putAway = (instanceId: string): Observable<never> =>
    logFailure(
      { instanceId },
      'a machine that is not needed any more could not be ended',
      takeDown(instanceId),
    );

  const thawed = (instance: Pick<Instance, 'id' | 'spec'>, verb: string): Observable<never> =>
    defer(() => freezableOf(instance, verb).freezing.thaw()).pipe(catchError(driverFailed(instance, verb)));

  /** Lets a machine go on of which that is written down already: where it does not, what a look finds is written down too. */
  const goingOn = (instance: Instance, verb: string): Observable<never> =>
    rollbackOnError(
      thawed(instance, verb),
      logFailure(
        { instanceId: instance.id },
        'what became of a machine that does not go on could not be kept',
        defer(() => observations.refresh(instance)),
      ),
    );

  const bring: Launches['bring'] = (plan, { kind, targetState, verb }, write) => {
    const { instanceId: id, spec } = plan;
    const { resume } = driverOf(spec);
    const written = (
      changes: BroughtChanges,
      after: (instance: Instance) => Observable<never> = () => EMPTY,
    ): Observable<Brought> => write(changes).pipe(map((instance) => ({ instance, after$: after(instance) })));

    if (targetState === 'Stopped') return written({});
    if (kind === 'Standby' && resume !== undefined) {
      if (targetState === 'Standby') return written({ state: 'Standby' });
      return held(plan, secrets.told(plan).pipe(mergeMap(resume))).pipe(
        catchError(launchFailed),
        mergeMap((resumed) => written(started(resumed), (instance) => goingOn(instance, verb))),
      );
    }
    return launch(plan).pipe(
      catchError(launchFailed),
      mergeMap((launched) => {
        if (targetState === 'Running') return written(started(launched));
        const { freeze, suspend } = freezableOf({ id, spec }, verb).freezing;
        return concat(
          (suspend ?? freeze)().pipe(catchError(driverFailed({ id }, verb))),
          defer(() => {
            const { handle, startedAt } = started(launched);
            return suspend === undefined
              ? written({
                  ...{ state: 'Standby', handle, startedAt },
                  ...(launched.ready ? {} : { wasReady: false }),
                })
              : written({ state: 'Standby', startedAt }, () => putAway(id));
          }),
        );
      }),
    );
  };

  return { launch, bring, takeDown, putAway, thawed, freezableOf, started };
}

const timedOut = (): Observable<never> => throwError(() => new LaunchFailed({ reason: 'timeout' }));

/** What is not to run needs no memory. */
export const kindOf = (from: Instance['state'], targetState: Target | undefined): Snapshot['kind'] =>
  from === 'Stopped' || targetState === 'Stopped' ? 'Stopped' : 'Standby';
