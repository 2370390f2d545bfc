import * as E from 'fp-ts/lib/Either.js';
import { defer, ignoreElements, type Observable, of } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { StoreFailed } from '../lifecycle/errors.js';
import type { Json } from '../lifecycle/instance.js';
import type { Database } from './database.js';
import type { GroupCommit, Transaction } from './groupCommit.js';
import type { StoreState } from './logSpan.js';
import { scan } from './scan.js';
import { mostRecords, type RecordTables } from './store.js';
import { ownersRecords, setAside } from './tables.js';

/** Creates the {@link RecordTables} of a database whose records are counted in the group's state. */
export function createRecordTables(database: Database, group: GroupCommit<StoreState>): RecordTables {
  const written = (task: (transaction: Transaction<StoreState>) => void): Observable<never> =>
    group.run(task).pipe(ignoreElements());

  return {
    loadRecords: (table) =>
      defer(() => {
        const found = new Map<string, Json>();
        const prefix = keyOf(table, '');
        for (const { key, bytes } of scan(database, prefix, `${prefix}\x7f`)) {
          const value = understood(key, bytes);
          if (value !== undefined) found.set(key.slice(prefix.length), deepFreeze(value));
        }
        return of(found);
      }),
    loadRecord: (table, key) =>
      defer(() => of(deepFreeze(understood(keyOf(table, key), database.get(keyOf(table, key)))))),
    saveRecord: (table, name, value) =>
      written((transaction) => {
        const key = keyOf(table, name);
        const isThere = transaction.get(key) !== undefined;
        if (value === undefined) {
          if (!isThere) return;
          transaction.remove(key);
          countRecord(transaction, key, -1);
          return;
        }
        if (!isThere) {
          if ((transaction.state.recordCounts.get(table) ?? 0) >= mostRecords) throw tableFull(table);
          countRecord(transaction, key, 1);
        }
        transaction.put(ownersRecords.encode(key.slice(ownersRecords.prefix.length), value));
      }),
    setAsideRecord: (table, name, faultsOf) =>
      written((transaction) => {
        const key = keyOf(table, name);
        const bytes = transaction.get(key);
        const value = understood(key, bytes);
        if (bytes === undefined || value === undefined || faultsOf(value).length === 0) return;
        setAside(transaction, { key, bytes });
        countRecord(transaction, key, -1);
      }),
  };
}

/** A table that can take no other record. */
export const tableFull = (table: string): StoreFailed =>
  new StoreFailed({ reason: `the table ${table} is full: it has ${String(mostRecords)} records` });

/** Counts a record that came or went; those of other tables are not counted. */
export function countRecord(transaction: Transaction<StoreState>, key: string, by: 1 | -1): void {
  const table = tableIn(key);
  if (table === undefined) return;
  const { recordCounts: counts } = transaction.state;
  transaction.state = {
    ...transaction.state,
    recordCounts: new Map(counts).set(table, (counts.get(table) ?? 0) + by),
  };
}

/** How many records each table has. */
export function recordCounts(database: Database): StoreState['recordCounts'] {
  const counts = new Map<string, number>();
  for (const { key } of scan(database, ownersRecords.prefix, ownersRecords.end)) {
    const table = tableIn(key);
    if (table !== undefined) counts.set(table, (counts.get(table) ?? 0) + 1);
  }
  return counts;
}

const keyOf = (table: string, key: string): string => ownersRecords.keyOf(`${table}/${key}`);

const tableIn = (key: string): string | undefined =>
  key.startsWith(ownersRecords.prefix) ? key.slice(ownersRecords.prefix.length).split('/')[0] : undefined;

/** What cannot be understood is as if it were not there; `load` sets it aside. */
function understood(key: string, bytes: Buffer | undefined): Json | undefined {
  const decoded = bytes && ownersRecords.decode({ key, bytes });
  return decoded !== undefined && E.isRight(decoded) ? decoded.right : undefined;
}
