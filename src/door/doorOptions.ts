import type { FrontDoorOptions } from '../instances/frontDoorOptions.js';
import type { Logger } from '../instances/logger.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import type { KeptPorts } from './doorManager.js';

/** What a door is handed beside its options. */
export interface DoorTools {
  /** Where chosen ports are kept. @defaultValue nowhere: another door chooses anew */
  readonly keptPorts?: KeptPorts;
  /** Where it says what an operator may want to know: a port that is taken, a wake that failed. @defaultValue nowhere */
  readonly logger?: Pick<Logger, 'warn'>;
  /** What knows its connections to machines. @defaultValue nobody */
  readonly own?: Pick<OwnConnections, 'add'>;
}

export type DoorSettings = Required<FrontDoorOptions & Pick<DoorTools, 'logger'>> & DoorTools;

/** Fills in what options leave out. */
export const doorSettings = (options: FrontDoorOptions & DoorTools): DoorSettings => ({
  host: '127.0.0.1',
  logger: { warn: () => undefined },
  wakeTimeoutMs: 60_000,
  maxConnections: 4_096,
  maxHeldBytes: 16_384,
  maxHeldBytesInAll: 67_108_864,
  drainMs: 2_000,
  raceMs: 5_000,
  ...options,
});
