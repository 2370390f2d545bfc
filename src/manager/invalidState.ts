import { InvalidState } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import type { InstanceAction } from '../lifecycle/state.js';
import { neededFor } from './neededFor.js';

/** The refusal of an action that the transition table does not allow; it says in which states it is. */
export function invalidState(instance: Instance, verb: InstanceAction): InvalidState;
/** The refusal of a verb, and what would be allowed. */
export function invalidState(instance: Instance, verb: string, remedy: string): InvalidState;
export function invalidState(
  { id, state }: Instance,
  verb: string,
  remedy = neededFor(verb as InstanceAction),
): InvalidState {
  return new InvalidState({ instanceId: id, state, verb, remedy });
}
