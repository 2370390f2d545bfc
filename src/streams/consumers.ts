/** What one consumer's subscribers are doing, all together. */
export interface ConsumerStats {
  /** Subscriptions that are open now. */
  readonly subscribers: number;
  /** Length of the longest queue now. */
  readonly maxQueueDepth: number;
  /** Length that any of its queues ever had at most. */
  readonly highWater: number;
  /** Values lost so far, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** How often one of its subscribers was told of a lag, or brought level again. */
  readonly lagged: number;
  /** How often one of its subscribers threw, and was unsubscribed for it. */
  readonly thrown: number;
}

/**
 * Why a value was lost, one for each overflow policy: `buffer_full` is dropNewest's (hypeman's reason), `overwritten`
 * dropOldest's, `folded` latest's, `failed` fail's; `resynced` counts what a watch replaced by a new snapshot.
 */
export type DropReason = (typeof dropReasons)[number];

/** Every {@link DropReason}. */
export const dropReasons = ['buffer_full', 'overwritten', 'folded', 'failed', 'resynced'] as const;
