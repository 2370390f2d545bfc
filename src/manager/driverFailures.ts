import { type Observable, throwError } from 'rxjs';
import { DriverFailed, hasTag, LaunchFailed } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';

/** Tells a failure to start a machine; what says why in its own terms goes through. */
export const launchFailed = (error: unknown): Observable<never> =>
  throwError(() =>
    hasTag(error, 'LaunchFailed') || hasTag(error, 'SnapshotIncompatible')
      ? error
      : new LaunchFailed({ reason: messageOf(error) }, { cause: error }),
  );

/** Tells a failure of a driver as one of a verb; what it says of itself that it can't do goes through. */
export const driverFailed =
  (instance: Pick<Instance, 'id'>, verb: string) =>
  (cause: unknown): Observable<never> =>
    throwError(() =>
      hasTag(cause, 'NotSupported') ? cause : new DriverFailed({ instanceId: instance.id, verb }, { cause }),
    );
