/**
 * Why a client was reset instead of being handed through.
 *
 * - `backing_off`: a wake had failed a moment before.
 * - `closing`: the manager closes.
 * - `limit`: the port has as many connections as it may have.
 * - `not_running`: the instance is in a state from which a connection does not wake it.
 * - `timeout`: the instance did not answer in time.
 * - `unreachable`: the instance is Running, and does not listen.
 * - `wake_failed`: it could not be woken.
 */
export type Refusal =
  'backing_off' | 'closing' | 'limit' | 'not_running' | 'timeout' | 'unreachable' | 'wake_failed';

/** Counts of a front door. */
export interface DoorStats {
  /** Connections that there are, those that wait included. */
  readonly open: number;
  /** Connections that are not handed through yet. */
  readonly waiting: number;
  /** What the bytes take that are held for clients. */
  readonly heldBytes: number;
  /** Ports that listen. */
  readonly listening: number;
  /** Ports that can't be listened on for now. */
  readonly retrying: number;
  /** Connections since the door was opened, without those that were refused by `limit`. */
  readonly accepted: number;
  /** Instances that were woken. */
  readonly woken: number;
  readonly failedWakes: number;
  readonly refused: Readonly<Record<Refusal, number>>;
}

/** Counts that go on while the door is open. */
export type DoorTally = {
  -readonly [
    Count in 'open' | 'waiting' | 'heldBytes' | 'accepted' | 'woken' | 'failedWakes'
  ]: DoorStats[Count];
} & { readonly refused: Record<Refusal, number> };

export const newTally = (): DoorTally => ({
  ...{ open: 0, waiting: 0, heldBytes: 0, accepted: 0, woken: 0, failedWakes: 0 },
  refused: {
    ...{ backing_off: 0, closing: 0, limit: 0, not_running: 0 },
    ...{ timeout: 0, unreachable: 0, wake_failed: 0 },
  },
});
