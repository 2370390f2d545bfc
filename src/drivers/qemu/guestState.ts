import * as t from 'io-ts';
import { concat, EMPTY, map, mergeMap, type Observable, of, throwError } from 'rxjs';
import type { MachineStatus } from '../driver.js';
import { isDead } from './guest.js';
import type { Qmp } from './qmp.js';

/** The status of a guest; fails where QEMU has stopped it over a fault. */
export const readGuest = (qmp: Qmp, isReady: () => boolean): Observable<MachineStatus> =>
  stateOf(qmp).pipe(
    mergeMap((state): Observable<MachineStatus> => {
      if (haltedStates.has(state)) return of({ kind: 'frozen' });
      if (state !== 'running') return throwError(() => new Error(faultOf(state)));
      return isDead(qmp).pipe(
        map((dead) => (dead ? { kind: 'shutdown' } : { kind: 'running', ready: isReady() })),
      );
    }),
  );

/** A guest that sleeps is no guest that was halted: QEMU before version 9 can't keep its memory so that it wakes again. */
export const haltGuest = (qmp: Qmp): Observable<never> =>
  stateOf(qmp).pipe(
    mergeMap((state) =>
      state === asleep
        ? throwError(
            () =>
              new Error('the guest is asleep (suspended): its memory cannot be kept so that it wakes again'),
          )
        : qmp.run('stop'),
    ),
  );

/**
 * Only QEMU wakes a guest that sleeps, which does not go by its clock before it was halted and went on. But QEMU lays the kernel that
 * it was given anew into the memory then, over what the guest has there.
 */
export const wakeGuest = (qmp: Qmp, isBooted: boolean): Observable<never> =>
  stateOf(qmp).pipe(
    mergeMap((state) => {
      if (state !== asleep) return EMPTY;
      if (isBooted) return throwError(() => new Error(neverWakes));
      return concat(qmp.run('system_wakeup'), qmp.run('stop'));
    }),
  );

const stateOf = (qmp: Qmp): Observable<string> =>
  qmp.ask('query-status', t.type({ status: t.string })).pipe(map(({ status }) => status));

const neverWakes =
  'the guest is asleep (suspended), and QEMU cannot wake one that it has booted, only one that has gone on from a memory since; stop and start it';

/** The state of QEMU in which the guest sleeps until it is woken. */
const asleep = 'suspended';

/** States of QEMU in which the guest stands still and can go on. */
const haltedStates = new Set([
  ...['paused', 'prelaunch', 'inmigrate', 'postmigrate', 'finish-migrate', asleep, 'save-vm', 'restore-vm'],
]);

/** States of QEMU in which the guest stands still over a fault. */
const faults: Readonly<Record<string, string>> = {
  'io-error':
    'its disk could not be read or written, as where the disk of the host is full; once it can, a restore lets it go on',
  'internal-error': 'QEMU could not run it any further',
  'guest-panicked': 'its kernel has panicked',
  watchdog: 'its watchdog has run out',
  shutdown: 'it has shut down',
};

const faultOf = (state: string): string => {
  const fault = faults[state];
  return fault === undefined
    ? `QEMU tells a state of the guest that is not known here: ${state}`
    : `QEMU has stopped the guest (${state}): ${fault}`;
};
