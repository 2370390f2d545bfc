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

/** Counts of the front door of a manager. */
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
  /** Connections since the manager was opened, without those that were refused by `limit`. */
  readonly accepted: number;
  /** Instances that were woken. */
  readonly woken: number;
  readonly failedWakes: number;
  readonly refused: Readonly<Record<Refusal, number>>;
}
