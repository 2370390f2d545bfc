import type { Instance } from '../lifecycle/instance.js';

/** What changes from one revision to the next; `undefined` takes a field away. */
export type Revision = {
  readonly [Field in keyof Omit<Instance, 'id' | 'name' | 'revision' | 'createdAt'>]?:
    Instance[Field] | undefined;
};

/** The next revision of an instance. */
export function revise(instance: Instance, changes: Revision): Instance {
  const { state, spec, ...optional } = { ...instance, ...changes };
  const kept = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(kept) as Omit<Instance, 'state' | 'spec'>),
    state: state ?? instance.state,
    spec: spec ?? instance.spec,
    revision: instance.revision + 1,
  };
}
