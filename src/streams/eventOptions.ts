import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Buffering, WorkBuffering } from './buffering.js';
import type { EventFilter } from './instanceFilter.js';

/** Who subscribes, apart from the name under which it is counted. */
export interface SubscriberLabel {
  /**
   * Tells subscribers of one consumer apart in `stats()`, for as long as each is subscribed; 1 to 256 characters. Any number may
   * have one, and it is in no metric.
   *
   * @defaultValue none: it is not told there by itself
   */
  readonly label?: string;
}

/** Which events to hear. */
export interface EventsOptions extends EventFilter, SubscriberLabel {
  /**
   * Begin after this place in the log of events instead of now: an event that was heard before, or the cursor of a
   * snapshot that {@link InstanceManager.watch} told. What the log has is told first, up to 1,000 events a turn; then it goes on live,
   * without gap or double.
   */
  readonly after?: Cursor;
}

/** {@link Buffering} for events. */
export interface IterateOptions extends Buffering<LifecycleEvent>, EventFilter, SubscriberLabel {
  /**
   * Begin after this place in the log of events instead of now, as with `events`. The policy is `resume` then, and no other.
   * Only where there is a log.
   */
  readonly after?: Cursor;
}

/** {@link WorkBuffering} for events that may have a log. Who consumes durably passes over what the filter leaves out for good. */
export interface ConsumeOptions extends WorkBuffering<LifecycleEvent>, EventFilter, SubscriberLabel {
  /** As in {@link IterateOptions}; not for one who consumes durably, who has a place of his own. */
  readonly after?: Cursor;
  /**
   * Whether to remember how far the consumer came, and to go on there next time. The policy is `resume` then, and no other.
   * Only where there is a log.
   *
   * @defaultValue false
   */
  readonly durable?: boolean;
}

/** {@link Buffering} for a watch: what is lost is always made good by a new snapshot. */
export type WatchBuffering = Pick<Buffering<LifecycleEvent>, 'capacity' | 'onLag'>;

/** {@link WatchBuffering}, and of which instances. */
export interface WatchOptions extends WatchBuffering, EventFilter, SubscriberLabel {}

/**
 * Makes `latest` keep the newest event of each instance and of each snapshot, and every `delete` and `delete_snapshot`.
 *
 * @example
 * ```ts
 * import { boundedMergeMap, latestByInstance, type LifecycleEvent } from 'rx-instances';
 * import { of } from 'rxjs';
 *
 * const newestOfEach = boundedMergeMap((event: LifecycleEvent) => of(event.instanceId), {
 *   overflow: 'latest',
 *   ...latestByInstance,
 * });
 * typeof newestOfEach; // => 'function'
 * ```
 */
export const latestByInstance = {
  /** Its instance, or its snapshot. */
  keyOf: (event: LifecycleEvent): string => event.snapshot?.id ?? event.instanceId,
  /** Whether it is the last of that. */
  endsKey: (event: LifecycleEvent): boolean =>
    event.action === 'delete' || event.action === 'delete_snapshot',
} as const;
