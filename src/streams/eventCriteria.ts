import * as t from 'io-ts';
import { boundedList } from '../codecs/boundedList.js';
import { oneOrSeveral } from '../codecs/oneOrSeveral.js';
import { oneOf } from '../codecs/scalars.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { type Action, actions } from '../lifecycle/state.js';
import { concerns, eventFilterKeys, type EventFilter } from './instanceFilter.js';

/** Which events are meant, as one asks for them from afar; several conditions must all hold. */
export interface EventCriteria extends Pick<EventFilter, 'state' | 'driver' | 'tags' | 'instanceId'> {
  /** What happened, or several of which one did. */
  readonly action?: Action | readonly Action[];
  /** The name of the instance. */
  readonly name?: string;
}

const { state, driver, tags, instanceId } = eventFilterKeys;
const action = oneOf(actions);
const someActions = boundedList(`actions (1 to ${String(actions.length)})`, action, 1, actions.length);

/** Keys of {@link EventCriteria}. */
export const eventCriteriaKeys = {
  ...{ state, driver, tags, instanceId },
  action: oneOrSeveral(action, someActions),
  name: t.string,
};

/** Tells the events for which all conditions hold. */
export const meets = ({ action, name, ...filter }: EventCriteria): ((event: LifecycleEvent) => boolean) => {
  const holds = concerns(filter);
  const among = action === undefined ? undefined : new Set([action].flat());
  return (event) =>
    (among === undefined || among.has(event.action)) &&
    (name === undefined || (event.instance ?? event.last)?.name === name) &&
    holds(event);
};
