import type { Cause } from './cause.js';
import type { Instance } from './instance.js';
import type { Action, State } from './state.js';

/** A place in an event log: the log's name and a position in it. */
export interface Cursor {
  readonly epoch: string;
  readonly sequence: number;
}

/** What changed of one instance. */
export type Change =
  | {
      readonly action: 'create' | 'fork';
      readonly instanceId: string;
      readonly instance: Instance;
      readonly last?: never;
      readonly previousState?: never;
    }
  | {
      readonly action: 'delete';
      readonly instanceId: string;
      readonly instance?: never;
      /** The instance as it last was; absent only in what version 0.1.0 has kept. */
      readonly last?: Instance;
      readonly previousState: State;
    }
  | {
      readonly action: Exclude<Action, 'create' | 'fork' | 'delete'>;
      readonly instanceId: string;
      readonly instance: Instance;
      readonly last?: never;
      readonly previousState: State;
    };

/** A change, and why it came, before the log gave it its place. */
export type CausedChange = Change & {
  /** Who asked for it, and why. */
  readonly cause: Cause;
};

/**
 * One change of one instance, deeply frozen. `instance` is absent on `delete` only, which has `last` instead; `previousState` is
 * absent on `create` and `fork` only.
 */
export type LifecycleEvent = CausedChange &
  Cursor & {
    /** When it was committed: Unix time in milliseconds. Order is told by `sequence`, never by `time`. */
    readonly time: number;
  };
