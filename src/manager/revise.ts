import type { Instance } from '../lifecycle/instance.js';

type Kept = 'id' | 'name' | 'revision' | 'createdAt';
type Required = 'state' | 'spec';

/** What changes from one revision to the next; `undefined` takes a field away. */
export type Revision = Partial<Pick<Instance, Required>> & {
  readonly [Field in Exclude<keyof Instance, Kept | Required>]?: Instance[Field] | undefined;
};

/** The next revision of an instance. */
export function revise(instance: Instance, changes: Revision): Instance {
  const fields = Object.entries({ ...instance, ...changes, revision: instance.revision + 1 });
  // A Revision can't take away what an instance has to have.
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as unknown as Instance;
}
