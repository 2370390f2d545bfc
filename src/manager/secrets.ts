import { createId } from '@paralleldrive/cuid2';
import { isDeepStrictEqual } from 'node:util';
import { catchError, concat, defer, finalize, from, ignoreElements, map, type Observable, of } from 'rxjs';
import type { LaunchPlan } from '../drivers/driver.js';
import { LaunchFailed } from '../lifecycle/errors.js';
import type { HeldSecrets, InstanceSpec } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { SecretStore, SecretValues } from '../store/secretStore.js';
import type { LogFailure } from './logFailure.js';

/**
 * The secrets of instances and snapshots. A version of them is kept before any record names it, and removed once none does: whatever is cut off, a
 * record has its secrets.
 */
export interface Secrets {
  /** Keeps values for the work that writes down what it is given for them: nothing, for no values. */
  keeping<T>(values: SecretValues, work: (held: HeldSecrets | undefined) => Observable<T>): Observable<T>;
  /** Does work that writes them down once more; meanwhile they are not removed. */
  holding<T>(spec: InstanceSpec, work$: Observable<T>): Observable<T>;
  /** Whether these are the values that are held. */
  areHeld(held: HeldSecrets | undefined, values: SecretValues): Observable<boolean>;
  /** A plan, with the values for the machine. @throws {@link LaunchFailed} */
  told<Plan extends LaunchPlan>(plan: Plan): Observable<Plan>;
  /** Removes those that a record had, unless another one has them. */
  left(before: Pick<InstanceSpec, 'secrets'> | undefined): void;
}

/** Creates the {@link Secrets}; `isNamed` tells whether a record names a version. */
export function createSecrets(
  store: SecretStore,
  isNamed: (version: string) => boolean,
  logFailure: LogFailure,
): Secrets {
  const holds = new Map<string, number>();

  const removed = (version: string): void => {
    if (holds.has(version) || isNamed(version)) return;
    logFailure(
      { version },
      'secrets that nobody has any more could not be removed',
      defer(() => from(store.remove(version))),
    ).subscribe();
  };

  const held = <T>(version: string, work$: Observable<T>): Observable<T> =>
    defer(() => {
      holds.set(version, (holds.get(version) ?? 0) + 1);
      return work$.pipe(
        finalize(() => {
          const others = (holds.get(version) ?? 0) - 1;
          if (others > 0) holds.set(version, others);
          else holds.delete(version);
          removed(version);
        }),
      );
    });

  return {
    keeping: (values, work) =>
      defer(() => {
        const names = Object.keys(values).sort();
        if (names.length === 0) return work(undefined);
        const version = createId();
        return held(
          version,
          concat(
            defer(() => from(store.save(version, values))).pipe(ignoreElements()),
            defer(() => work({ version, names })),
          ),
        );
      }),
    holding: ({ secrets }, work$) => (secrets === undefined ? work$ : held(secrets.version, work$)),
    areHeld: (secrets, values) =>
      secrets === undefined
        ? of(Object.keys(values).length === 0)
        : defer(() => from(store.read(secrets.version))).pipe(
            map((kept) => isDeepStrictEqual({ ...kept }, { ...values })),
            // Those that are gone have to be given again.
            catchError(() => of(false)),
          ),
    told: (plan) => {
      const { secrets } = plan.spec;
      if (secrets === undefined) return of(plan);
      return defer(() => from(store.read(secrets.version))).pipe(
        map((values) => ({ ...plan, secrets: values })),
        catchError((cause: unknown) => {
          throw new LaunchFailed({ reason: messageOf(cause) }, { cause });
        }),
      );
    },
    left: (before) => {
      if (before?.secrets !== undefined) removed(before.secrets.version);
    },
  };
}
