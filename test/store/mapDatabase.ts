import type { Database, Row, Writes } from '../../src/store/database.js';

/** A database in memory, whose writes and looks are noted, and fail or wait as told. */
export interface MapDatabase extends Database {
  readonly records: Map<string, Buffer>;
  /** The keys of each write. */
  readonly writes: (readonly string[])[];
  /** The keys that were looked up one by one. */
  readonly looks: string[];
  /** Called by each write before anything is written. */
  onWrite: () => Promise<void> | void;
}

export function createMapDatabase(): MapDatabase {
  const records = new Map<string, Buffer>();
  const rows = (from: string, below: string): readonly Row[] =>
    [...records]
      .map(([key, bytes]) => ({ key, bytes }))
      .filter(({ key }) => key >= from && key < below)
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));

  const database: MapDatabase = {
    records,
    writes: [],
    looks: [],
    onWrite: () => undefined,
    get: (key) => {
      database.looks.push(key);
      return records.get(key);
    },
    range: (from, to, limit) => rows(from, to).slice(0, limit),
    last: (from, below) => rows(from, below).at(-1),
    write: async (writes: Writes) => {
      database.writes.push([...writes.keys()]);
      await database.onWrite();
      for (const [key, bytes] of writes) {
        if (bytes === undefined) records.delete(key);
        else records.set(key, bytes);
      }
    },
    close: () => Promise.resolve(),
  };
  return database;
}
