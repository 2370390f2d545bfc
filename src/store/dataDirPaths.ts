import { join } from 'node:path';

/** Name of the file by which a data directory is known as ours. */
export const markerName = 'rx-instances.json';

/** Where everything lies in a data directory. */
export interface DataDirPaths {
  /** In it each instance has its home. */
  readonly homes: string;
  /** In it each snapshot has a folder of its own. */
  readonly snapshots: string;
  /** In it drivers make ahead what belongs into homes. */
  readonly pool: string;
  /** In it lie the values of secrets. */
  readonly secrets: string;
  readonly lock: string;
  readonly store: string;
  readonly database: string;
  readonly marker: string;
}

/** The {@link DataDirPaths} of a data directory. */
export const pathsIn = (dataDir: string): DataDirPaths => ({
  homes: join(dataDir, 'instances'),
  snapshots: join(dataDir, 'snapshots'),
  pool: join(dataDir, 'pool'),
  secrets: join(dataDir, 'secrets'),
  lock: join(dataDir, 'lock'),
  store: join(dataDir, 'store'),
  database: join(dataDir, 'store', 'data.mdb'),
  marker: join(dataDir, markerName),
});
