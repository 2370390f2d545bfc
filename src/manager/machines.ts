import { merge, type Observable, Subject, type Subscription, tap } from 'rxjs';
import type { Machine, MachineSignal } from '../drivers/driver.js';
import { boundedMergeMap } from '../streams/boundedMergeMap.js';

/** What is to be taken in of a machine: what it said, or that somebody has to look at it. */
export type Report = MachineSignal | { readonly kind: 'look' };

/** A machine in the manager's hands. */
export interface Held {
  readonly machine: Machine;
  /** Whether it has said that it is ready, in whatever state its instance is. */
  ready: boolean;
}

/** Which instance has which machine; an instance has one at most. */
export interface Machines {
  of(instanceId: string): Held | undefined;
  /** Takes a machine over: what it says is handed on until it is let go. */
  hold(instanceId: string, machine: Machine): Held;
  /** Asks for a look at the machine of an instance, if it has one. */
  look(instanceId: string): void;
  /** Lets go: nothing that the machine says is heard any more. */
  release(instanceId: string): void;
  /** Lets every machine run on by itself. */
  detachAll(): void;
}

interface Holding {
  readonly held: Held;
  readonly looks$: Subject<Report>;
  readonly listening: Subscription;
}

/** Of one kind the newest waits, so that a machine that repeats itself takes no more room than one that does not. */
const inTurn = { overflow: 'latest', capacity: 1, keyOf: ({ kind }: Report) => kind } as const;

/**
 * Creates the record of machines; `take` takes in what is reported of each while it is held, one report after the other, and
 * completes once that is kept.
 */
export function createMachines(
  take: (instanceId: string, held: Held, report: Report) => Observable<never>,
): Machines {
  const byInstance = new Map<string, Holding>();

  const release = (instanceId: string): void => {
    byInstance.get(instanceId)?.listening.unsubscribe();
    byInstance.delete(instanceId);
  };

  return {
    of: (instanceId) => byInstance.get(instanceId)?.held,
    hold: (instanceId, machine) => {
      const held: Held = { machine, ready: false };
      const looks$ = new Subject<Report>();
      const signals$ = machine.signals$.pipe(
        tap(({ kind }) => {
          if (kind === 'ready') held.ready = true;
        }),
      );
      const listening = merge(looks$, signals$)
        .pipe(boundedMergeMap((report: Report) => take(instanceId, held, report), inTurn))
        .subscribe();
      byInstance.set(instanceId, { held, looks$, listening });
      return held;
    },
    look: (instanceId) => {
      byInstance.get(instanceId)?.looks$.next({ kind: 'look' });
    },
    release,
    detachAll: () => {
      for (const [instanceId, { held }] of [...byInstance]) {
        release(instanceId);
        held.machine.detach?.();
      }
    },
  };
}
