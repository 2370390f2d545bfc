import type { State } from '../lifecycle/state.js';
import type { ForwardedPort } from '../lifecycle/instance.js';

/**
 * What is done with a client that waits: it is connected to the machine, kept until the state changes, or until the
 * instance is woken by a verb, or refused.
 */
export type Reception = 'connect' | 'wait' | 'restore' | 'start' | 'refuse';

type WakeFrom = NonNullable<ForwardedPort['wake']>;

const table: Readonly<Record<State, Readonly<Record<WakeFrom, Reception>>>> = {
  Created: { never: 'wait', standby: 'wait', stopped: 'wait' },
  // Whoever may be connected before it is ready would be told so by no readiness.
  Initializing: { never: 'wait', standby: 'wait', stopped: 'wait' },
  Running: { never: 'connect', standby: 'connect', stopped: 'connect' },
  // Somebody halted it on purpose: they let it go on, too.
  Paused: { never: 'wait', standby: 'wait', stopped: 'wait' },
  Shutdown: { never: 'refuse', standby: 'refuse', stopped: 'refuse' },
  Stopped: { never: 'refuse', standby: 'refuse', stopped: 'start' },
  Standby: { never: 'refuse', standby: 'restore', stopped: 'restore' },
  Unknown: { never: 'refuse', standby: 'refuse', stopped: 'refuse' },
};

/** Decides what is done with a client while its instance is in a state. */
export const reception = (state: State, wake: WakeFrom): Reception => table[state][wake];
