import type { Driver, LaunchPlan } from '../drivers/driver.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import type { Intents } from './intents.js';
import type { Logger } from '../instances/logger.js';
import type { LogReads } from './logReads.js';
import type { Machines } from './machines.js';
import type { RollbackOnError } from './rollbackOnError.js';
import type { LogFailure } from './logFailure.js';
import type { Commit, Records } from './records.js';
import type { Secrets } from './secrets.js';

/** What the verbs work with. */
export interface VerbContext {
  driverOf(spec: InstanceSpec): Driver;
  homeOf(instanceId: string): string;
  /** What a driver is told of an instance. */
  planOf(instanceId: string, name: string, spec: InstanceSpec): LaunchPlan;
  readonly machines: Machines;
  readonly commit: Commit;
  readonly records: Records;
  readonly intents: Intents;
  now(): number;
  readonly logger: Logger;
  readonly logReads: LogReads;
  readonly rollbackOnError: RollbackOnError;
  readonly logFailure: LogFailure;
  readonly secrets: Secrets;
}
