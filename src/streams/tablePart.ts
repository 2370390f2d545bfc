import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { isOfSnapshot } from '../lifecycle/event.js';
import { changeOf, type InstanceChange } from '../lifecycle/instanceChange.js';
import { concerns, type EventFilter, holdsFor } from './instanceFilter.js';

/** The instances of a table for which a filter holds, as they were told. */
export interface TablePart {
  /** Begins anew with a whole table; gives the part of it. */
  begin(instances: readonly Instance[]): readonly Instance[];
  /**
   * Whether an event may change the part once all before it are told. While the table is read (`isReading`) nobody knows, and each
   * may. Has to be asked of every event in turn.
   */
  mayConcern(event: LifecycleEvent, isReading: boolean): boolean;
  /** What an event changes in the part, if anything. */
  change(event: LifecycleEvent): InstanceChange | undefined;
}

/** Creates a {@link TablePart} of nothing. */
export function createTablePart(filter: EventFilter): TablePart {
  const { instanceId } = filter;
  const holds = holdsFor(filter);
  const wants = concerns(filter);
  let told = new Map<string, Instance>();
  /** Ids of those that are told, or will be once all that waits is; some more do no harm. */
  const near = new Set<string>();

  return {
    begin: (instances) => {
      const part = instances.filter(
        (instance) => (instanceId === undefined || instance.id === instanceId) && holds(instance),
      );
      told = new Map(part.map((instance) => [instance.id, instance]));
      for (const { id } of part) near.add(id);
      return part;
    },
    mayConcern: (event, isReading) => {
      if (isOfSnapshot(event)) return false;
      const isWanted = wants(event);
      const wasNear = near.has(event.instanceId);
      if (isWanted && event.action !== 'delete') near.add(event.instanceId);
      else near.delete(event.instanceId);
      return isReading || isWanted || wasNear;
    },
    change: (event) => {
      const before = told.get(event.instanceId);
      if (event.instance !== undefined && wants(event)) {
        told.set(event.instanceId, event.instance);
        return changeOf(event);
      }
      if (before === undefined) return undefined;
      told.delete(event.instanceId);
      return event.action === 'delete'
        ? changeOf(event)
        : { kind: 'removed', instanceId: event.instanceId, last: before, event };
    },
  };
}
