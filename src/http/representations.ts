import { forkJoin, map, type Observable, of } from 'rxjs';
import type { Instances } from '../instances/instances.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { hypemanInstance } from './hypemanInstance.js';
import { hypemanSnapshot } from './hypemanSnapshot.js';

/** How instances and snapshots are written, as JSON. */
export interface Representations {
  instance(instance: Instance): Observable<string>;
  instances(instances: readonly Instance[]): Observable<string>;
  snapshot(snapshot: Snapshot): string;
  snapshots(snapshots: readonly Snapshot[]): string;
}

/** Creates {@link Representations}. A view of an instance never changes, and is written once, unless controllers know more of it. */
export function createRepresentations({ status }: Pick<Instances, 'status'>): Representations {
  const known = new WeakMap<Instance, string>();

  const plain = (instance: Instance): string => {
    const text = known.get(instance) ?? JSON.stringify(hypemanInstance(instance));
    known.set(instance, text);
    return text;
  };

  const instanceText = (instance: Instance): Observable<string> => {
    const { healthCheck, restartPolicy } = instance.spec;
    if (healthCheck === undefined && restartPolicy === undefined) return of(plain(instance));
    return status(instance.id).pipe(map((told) => JSON.stringify(hypemanInstance(instance, told))));
  };

  const snapshot = (of: Snapshot): string => JSON.stringify(hypemanSnapshot(of));

  return {
    instance: instanceText,
    instances: (all) =>
      all.length === 0 ? of('[]') : forkJoin(all.map(instanceText)).pipe(map((texts) => `[${texts.join()}]`)),
    snapshot,
    snapshots: (all) => `[${all.map(snapshot).join()}]`,
  };
}
