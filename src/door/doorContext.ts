import type { ConnectionChange } from '../instances/connectionSource.js';
import type { Delays } from '../streams/delays.js';
import type { DoorManager } from './doorManager.js';
import type { DoorSettings } from './doorOptions.js';
import type { DoorTally } from './doorStats.js';
import type { PortStatus } from './portStatus.js';

/** What all parts of a door share. */
export interface DoorContext {
  readonly manager: DoorManager;
  readonly settings: DoorSettings;
  readonly tally: DoorTally;
  /** Until when clients may wait. */
  readonly delays: Delays;
  changed(change: ConnectionChange): void;
  told(status: PortStatus): void;
}
