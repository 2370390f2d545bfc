import type { Cursor, LifecycleEvent } from './event.js';
import type { Instance } from './instance.js';

/**
 * What a watcher is told: the whole table first and after every lag, then one change after another. Whoever applies
 * each in turn holds the true table. The cursor of a snapshot is the place of the last event that is in it.
 *
 * `removed` has the instance as it last was in `last`: deleted, or, where only those are watched for which a filter holds, out of it,
 * of which `event` tells more. `closing` changes nothing in the table: it comes once, when the manager
 * begins to close, before the stops are told; from then on every verb fails with {@link ManagerClosed}.
 */
export type InstanceChange =
  | { readonly kind: 'snapshot'; readonly instances: readonly Instance[]; readonly cursor: Cursor }
  | { readonly kind: 'upsert'; readonly instance: Instance; readonly event: LifecycleEvent }
  | {
      readonly kind: 'removed';
      readonly instanceId: string;
      readonly last?: Instance;
      readonly event: LifecycleEvent;
    }
  | { readonly kind: 'closing' };

/** What an event changes in the table of all instances; nothing, where it is of a snapshot. */
export function changeOf(event: LifecycleEvent): InstanceChange | undefined {
  const { action, instanceId, instance, last } = event;
  if (instance !== undefined) return { kind: 'upsert', instance, event };
  return action === 'delete'
    ? { kind: 'removed', instanceId, ...(last !== undefined && { last }), event }
    : undefined;
}
