import type { ConnectionChange } from '../instances/connectionSource.js';
import type { Decision } from '../instances/controller.js';
import type { Delays } from '../streams/delays.js';
import type { DoorManager } from './doorManager.js';
import type { DoorSettings } from './doorOptions.js';
import type { DoorTally } from './doorTally.js';
import type { ToldStatus } from './toldStatus.js';

/** What all parts of a door share. */
export interface DoorContext {
  readonly manager: DoorManager;
  readonly settings: DoorSettings;
  readonly tally: DoorTally;
  /** Until when clients may wait. */
  readonly delays: Delays;
  changed(change: ConnectionChange): void;
  told(status: ToldStatus): void;
  decided(decision: Decision): void;
}
