import * as t from 'io-ts';
import { oneOf } from '../codecs/scalars.js';
import { anyTags } from '../codecs/tags.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { type State, states } from '../lifecycle/state.js';

/** Which instances are meant; several conditions must all hold. */
export interface InstanceFilter {
  readonly state?: State;
  readonly driver?: string;
  /** Labels that an instance has to have, with these values. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Of which instances to hear; several conditions must all hold. */
export interface EventFilter extends InstanceFilter {
  /** The instance with this exact id only. Publishing an event costs nothing to those of other instances. */
  readonly instanceId?: string;
}

/** Keys of an {@link InstanceFilter}. */
export const instanceFilterKeys = { state: oneOf(states), driver: t.string, tags: anyTags };

/** Keys of an {@link EventFilter}. */
export const eventFilterKeys = { instanceId: t.string, ...instanceFilterKeys };

/** Tells the instances for which all conditions hold. */
export const holdsFor = ({ state, driver, tags = {} }: InstanceFilter): ((instance: Instance) => boolean) => {
  const wanted = Object.entries(tags);
  return (instance) =>
    (state === undefined || instance.state === state) &&
    (driver === undefined || instance.spec.driver === driver) &&
    wanted.every(([key, value]) => instance.spec.tags[key] === value);
};

/** Whether a filter asks for more than an id. */
export const hasConditions = ({ state, driver, tags }: InstanceFilter): boolean =>
  state !== undefined || driver !== undefined || tags !== undefined;

/** Tells the events of instances for which all conditions hold after it, and of a `delete`, before it. */
export const concerns = (filter: EventFilter): ((event: LifecycleEvent) => boolean) => {
  const { instanceId } = filter;
  const holds = holdsFor(filter);
  return (event) => {
    if (instanceId !== undefined && event.instanceId !== instanceId) return false;
    const view = event.instance ?? event.last;
    // Of what version 0.1.0 has deleted nothing is known.
    return view === undefined || holds(view);
  };
};
