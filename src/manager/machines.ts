import type { Subscription } from 'rxjs';
import type { Machine, Signal } from '../drivers/driver.js';

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
  /** Lets go: nothing that the machine says is heard any more. */
  release(instanceId: string): void;
  /** Lets every machine run on by itself. */
  detachAll(): void;
}

/** Creates the record of machines; `onSignal` hears what each says while it is held. */
export function createMachines(onSignal: (instanceId: string, held: Held, signal: Signal) => void): Machines {
  const byInstance = new Map<string, { readonly held: Held; readonly listening: Subscription }>();

  const release = (instanceId: string): void => {
    byInstance.get(instanceId)?.listening.unsubscribe();
    byInstance.delete(instanceId);
  };

  return {
    of: (instanceId) => byInstance.get(instanceId)?.held,
    hold: (instanceId, machine) => {
      const held: Held = { machine, ready: false };
      const listening = machine.signals$.subscribe((signal) => {
        if (signal.kind === 'ready') held.ready = true;
        onSignal(instanceId, held, signal);
      });
      byInstance.set(instanceId, { held, listening });
      return held;
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
