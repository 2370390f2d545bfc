import { join } from 'node:path';
import { type Database, open } from 'lmdb';

/** The database of a data directory, opened by nobody but lmdb, as the store opens it. */
export const openBare = (dataDir: string, readOnly = false): Database<Buffer, Buffer> =>
  open<Buffer, Buffer>({
    path: join(dataDir, 'store', 'data.mdb'),
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    readOnly,
  });

/** The JSON of a record: version and checksum stand before it. */
export const jsonOf = (record: Buffer): string => record.toString('utf8', 5);
