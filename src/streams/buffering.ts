/**
 * What to do with a value for which there is no room.
 *
 * - `dropNewest`: it is lost, what waits stays (hypeman's).
 * - `dropOldest`: what has waited longest is lost.
 * - `latest`: of the values that wait, the one that a newer one of its key made old first is lost. The newest of each key
 *   is kept, and so is every value that ends its key (a `delete`), even where these are more than `capacity`.
 * - `resume`: none is lost. The subscriber leaves the publisher when its queue is full, reads on from the log of events once the
 *   queue has drained, and is live again when it has caught up. Only where there is a log: by `consume` and `iterate` of a manager, or
 *   of a bus that was given one; with `after` they begin after an event. `boundedMergeMap` and `boundedIterable` are handed values, no
 *   log to read on from. It fails with {@link CursorExpired} when the log has lost the place meanwhile.
 * - `fail`: the subscriber gets {@link SubscriberLagged}, and all that waits is lost.
 */
export type Overflow = (typeof overflows)[number];

/** Every {@link Overflow} policy. */
export const overflows = ['dropNewest', 'dropOldest', 'latest', 'resume', 'fail'] as const;

/**
 * Why a value was lost, one for each {@link Overflow} policy that loses any: `buffer_full` is dropNewest's (hypeman's reason),
 * `overwritten` dropOldest's, `folded` latest's, `failed` fail's.
 */
export type DropReason = (typeof dropReasons)[number];

/** Every {@link DropReason}. */
export const dropReasons = ['buffer_full', 'overwritten', 'folded', 'failed'] as const;

/** Values lost one after another: after the value handed over before, and before the one to come. */
export interface Lag<T> {
  /** How many. */
  readonly missed: number;
  /** The first of them. */
  readonly from: T;
  /** The last of them; with `missed: 1` the same. */
  readonly to: T;
}

/** How much may wait for a subscriber, and what happens beyond that. */
export interface Buffering<T> {
  /**
   * How many values may wait, from 1; what is being worked on does not count.
   * @defaultValue 256; from a manager, `instances.lifecycle_event_buffer_size`
   */
  readonly capacity?: number;
  /** @defaultValue `'dropNewest'` */
  readonly overflow?: Overflow;
  /** Told of lost values in their place among the values: before the value that came after them. */
  readonly onLag?: (lag: Lag<T>) => void;
  /** For `latest`: a value makes those of an equal key old. @defaultValue one key for all; from a manager, {@link latestByInstance} */
  readonly keyOf?: (value: T) => unknown;
  /** For `latest`: tells a value that ends its key. @defaultValue none does; from a manager, {@link latestByInstance} */
  readonly endsKey?: (value: T) => boolean;
}

/** {@link Buffering} for work: how much of it is done at a time. */
export interface WorkBuffering<T> extends Buffering<T> {
  /** How many projects may run at a time, from 1; `Infinity` for all. @defaultValue 1 */
  readonly concurrency?: number;
}

/** Default of {@link Buffering.capacity}; hypeman's. */
export const defaultCapacity = 256;
