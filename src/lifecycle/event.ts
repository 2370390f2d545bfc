import type { Cause } from './cause.js';
import type { Instance } from './instance.js';
import type { Snapshot } from './snapshot.js';
import type { InstanceAction, SnapshotAction, State } from './state.js';

/** A place in an event log: the log's name and a position in it. */
export interface Cursor {
  readonly epoch: string;
  readonly sequence: number;
}

/** What changed of one instance, or of a snapshot of it. */
export type Change = ChangeOfInstance | ChangeOfSnapshot;

/** What changed of one instance. */
export type ChangeOfInstance =
  | {
      readonly action: 'create' | 'fork';
      readonly instanceId: string;
      readonly instance: Instance;
      /** The snapshot that a `fork` was made of. */
      readonly snapshotId?: string;
      readonly snapshot?: never;
      readonly last?: never;
      readonly previousState?: never;
    }
  | {
      readonly action: 'delete';
      readonly instanceId: string;
      readonly instance?: never;
      readonly snapshotId?: never;
      readonly snapshot?: never;
      /** The instance as it last was; absent only in what version 0.1.0 has kept. */
      readonly last?: Instance;
      readonly previousState: State;
    }
  | {
      readonly action: Exclude<InstanceAction, 'create' | 'fork' | 'delete'>;
      readonly instanceId: string;
      readonly instance: Instance;
      /** The snapshot that a `restore` brought it back to. */
      readonly snapshotId?: string;
      readonly snapshot?: never;
      readonly last?: never;
      readonly previousState: State;
    };

/** What happened to a snapshot: it was taken, or it is deleted. The instance stays as it is, or has been gone before. */
export interface ChangeOfSnapshot {
  readonly action: SnapshotAction;
  /** The instance that it was taken of. */
  readonly instanceId: string;
  readonly snapshot: Snapshot;
  readonly snapshotId?: never;
  readonly instance?: never;
  readonly last?: never;
  readonly previousState?: never;
}

/** Whether an event is of a snapshot, and changes nothing of its instance. */
export const isOfSnapshot = <C extends Change>(change: C): change is Extract<C, ChangeOfSnapshot> =>
  change.snapshot !== undefined;

/** A change, and why it came, before the log gave it its place. */
export type CausedChange = Change & {
  /** Who asked for it, and why. */
  readonly cause: Cause;
};

/**
 * One change of one instance, or of a snapshot of it, deeply frozen. `instance` is absent on `delete`, which has `last` instead, and
 * where it is a `snapshot` that was taken or deleted; `previousState` is absent there too, and on `create` and `fork`.
 */
export type LifecycleEvent = CausedChange &
  Cursor & {
    /** When it was committed: Unix time in milliseconds. Order is told by `sequence`, never by `time`. */
    readonly time: number;
  };
