import { type Action, type State, states, transition } from '../lifecycle/state.js';

/** Says in which states an instance has to be for an action to change something; `besides` are further ones. */
export const neededFor = (action: Action, ...besides: readonly State[]): string =>
  `it has to be ${either.format([...states.filter((state) => transition(action, state).kind === 'move'), ...besides])}`;

const either = new Intl.ListFormat('en', { type: 'disjunction' });
