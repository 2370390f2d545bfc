import type { Instance, LifecycleEvent, State } from 'rx-instances';

/** An instance as it was at a revision. */
export const instance = (id: string, state: State, revision = 1): Instance =>
  Object.freeze({
    id,
    name: id,
    spec: Object.freeze({ driver: 'memory', image: 'any', env: Object.freeze({}), tags: Object.freeze({}) }),
    state,
    revision,
    createdAt: 0,
  });

/** An event that brought an instance to a state. */
export const event = (sequence: number, instanceId: string, state: State = 'Running'): LifecycleEvent =>
  Object.freeze({
    epoch: 'bench',
    sequence,
    time: 0,
    action: 'ready',
    cause: { by: 'machine' },
    instanceId,
    instance: instance(instanceId, state, sequence),
    previousState: 'Initializing',
  });

/** Events of one instance, to be published over and over: what is timed is the publish, not the making of events. */
export const eventsOf = (instanceId: string, count = 64): readonly LifecycleEvent[] =>
  Array.from({ length: count }, (_, index) => event(index + 1, instanceId));
