import * as t from 'io-ts';
import { oneOrSeveral } from '../codecs/oneOrSeveral.js';
import { oneOf } from '../codecs/scalars.js';
import { boundedList } from '../codecs/boundedList.js';
import { anyTags, tagKey } from '../codecs/tags.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { type State, states } from '../lifecycle/state.js';

/** Which instances are meant; several conditions must all hold. */
export interface InstanceFilter {
  /** Its state, or several of which it has one. */
  readonly state?: State | readonly State[];
  readonly driver?: string;
  /** Labels that an instance has to have, with these values. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Labels that an instance has to have, whatever their values; at most 50. */
  readonly hasTags?: readonly string[];
  /** Fields that its spec has to have, whatever stands there, such as `restartPolicy`; at most 50. */
  readonly hasFields?: readonly string[];
}

/** Of which instances to hear; several conditions must all hold. */
export interface EventFilter extends InstanceFilter {
  /** The instance with this exact id only. Publishing an event costs nothing to those of other instances. */
  readonly instanceId?: string;
}

const oneState = oneOf(states);

const someStates = boundedList(
  `states (a list of 1 to ${String(states.length)})`,
  oneState,
  1,
  states.length,
);

/** Keys of an {@link InstanceFilter}. */
export const instanceFilterKeys = {
  state: oneOrSeveral(oneState, someStates),
  driver: t.string,
  tags: anyTags,
  hasTags: boundedList('tag keys (a list of at most 50)', tagKey, 0, 50),
  hasFields: boundedList('fields of a spec (a list of at most 50)', t.string, 0, 50),
};

/** Keys of an {@link EventFilter}. */
export const eventFilterKeys = { instanceId: t.string, ...instanceFilterKeys };

/** Tells the instances for which all conditions hold; of what has no state, only those that need none. */
export const holdsFor = (
  filter: InstanceFilter,
): ((instance: Pick<Instance, 'spec'> & Partial<Pick<Instance, 'state'>>) => boolean) => {
  const { state, driver, tags = {} } = filter;
  const wanted = Object.entries(tags);
  const among = state === undefined ? undefined : [state].flat();
  const keys = [...(filter.hasTags ?? [])];
  const fields = [...(filter.hasFields ?? [])];
  return (instance) =>
    (among === undefined || (instance.state !== undefined && among.includes(instance.state))) &&
    (driver === undefined || instance.spec.driver === driver) &&
    wanted.every(([key, value]) => instance.spec.tags[key] === value) &&
    keys.every((key) => Object.hasOwn(instance.spec.tags, key)) &&
    fields.every((field) => Object.hasOwn(instance.spec, field));
};

/** Whether a filter asks for more than an id. */
export const hasConditions = ({ state, driver, tags, hasTags, hasFields }: InstanceFilter): boolean =>
  [state, driver, tags, hasTags, hasFields].some((condition) => condition !== undefined);

/**
 * Tells the events of instances for which all conditions hold after it, and of a `delete`, before it. Events of a snapshot are held to
 * the spec that it was taken with; a `state` leaves them out.
 */
export const concerns = (filter: EventFilter): ((event: LifecycleEvent) => boolean) => {
  const { instanceId } = filter;
  const holds = holdsFor(filter);
  return (event) => {
    if (instanceId !== undefined && event.instanceId !== instanceId) return false;
    const view = event.instance ?? event.last ?? event.snapshot;
    // Of what version 0.1.0 has deleted nothing is known.
    return view === undefined || holds(view);
  };
};
