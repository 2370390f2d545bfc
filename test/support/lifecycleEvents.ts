import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';

/** An instance of no importance, but for the fields given. */
export const anInstance = (fields: Partial<Instance> = {}): Instance => ({
  id: 'a',
  name: fields.id ?? 'a',
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  state: 'Running',
  revision: 1,
  createdAt: 0,
  ...fields,
});

/** The event of this sequence: the instance was updated. */
export const anUpdate = (sequence: number, fields: Partial<Instance> = {}): LifecycleEvent => {
  const instance = anInstance({ revision: sequence, ...fields });
  const action = 'update';
  return {
    epoch: 'e',
    sequence,
    time: 0,
    cause: { by: 'caller' },
    action,
    instanceId: instance.id,
    instance,
    previousState: 'Running',
  };
};

/** The event of this sequence: the instance was deleted. */
export const aDelete = (sequence: number, instanceId = 'a'): LifecycleEvent => ({
  epoch: 'e',
  sequence,
  time: 0,
  cause: { by: 'caller' },
  action: 'delete',
  instanceId,
  previousState: 'Running',
});
