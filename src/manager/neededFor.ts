import { type InstanceAction, type State, states, transition } from '../lifecycle/state.js';

/** Says in which states an instance has to be for an action to change something; `besides` are further ones. */
export const neededFor = (action: InstanceAction, ...besides: readonly State[]): string =>
  neededState([...states.filter((state) => transition(action, state).kind === 'move'), ...besides]);

/** Says in which of these states an instance has to be. */
export const neededState = (allowed: readonly State[]): string => `it has to be ${either.format(allowed)}`;

const either = new Intl.ListFormat('en', { type: 'disjunction' });
