import { InvalidState } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import { neededState } from './neededFor.js';

/** In which there is a machine that runs. */
const running: readonly State[] = ['Initializing', 'Running'];

/** @throws {@link InvalidState} where no machine runs with which something could be done */
export function refuseUnlessRunning(verb: string, { id, state }: Pick<Instance, 'id' | 'state'>): void {
  if (!running.includes(state))
    throw new InvalidState({ instanceId: id, state, verb, remedy: neededState(running) });
}
