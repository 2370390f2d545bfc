import { catchError, concat, defer, mergeMap, type Observable, of, throwError } from 'rxjs';
import { InvalidState } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import { driverFailed } from './driverFailures.js';
import type { Machines } from './machines.js';
import { neededState } from './neededFor.js';
import type { Observations } from './observations.js';

/**
 * The states in which there is somebody to hear a signal. Somebody else may have halted what is Paused, by a signal too, and a signal may
 * let it go on. On Standby nobody is to wake it but `restore`.
 */
const hearing: readonly State[] = ['Initializing', 'Running', 'Paused'];

/** Sends a signal to the machine of an instance, while its queue is held, and emits the instance. */
export type SendSignal = (instance: Instance, name: string) => Observable<Instance>;

/** Creates {@link SendSignal}. */
export const createSendSignal =
  (machines: Machines, observations: Pick<Observations, 'refresh'>): SendSignal =>
  (instance, name) => {
    const refuseUnlessHearing = ({ id, state }: Instance): void => {
      if (!hearing.includes(state))
        throw new InvalidState({ instanceId: id, state, verb: 'signal', remedy: neededState(hearing) });
    };

    const sent$ = defer(() => {
      const machine = machines.of(instance.id)?.machine;
      if (machine?.signal === undefined) throw new Error('there is no machine that could take it');
      return concat(machine.signal(name), of(instance));
    });

    return defer(() => {
      refuseUnlessHearing(instance);
      return sent$.pipe(
        catchError((error: unknown) =>
          // It may have ended, of which the report still waits for its turn behind this one.
          observations.refresh(instance).pipe(
            mergeMap((found) => {
              refuseUnlessHearing(found);
              return throwError(() => error);
            }),
            catchError((failure: unknown) =>
              failure instanceof InvalidState
                ? throwError(() => failure)
                : driverFailed(instance, 'signal')(error),
            ),
          ),
        ),
      );
    });
  };
