import * as E from 'fp-ts/lib/Either.js';
import type { Instance } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type { Database, Row } from './database.js';
import type { DamagedRow } from './findLog.js';
import { scan } from './scan.js';
import {
  cursors,
  damagedPrefix,
  instances,
  logTables,
  ownersRecords,
  runtimes,
  snapshots,
  specUses,
  type Table,
  tableOf,
} from './tables.js';

/** What a database holds besides the log. */
export interface FoundRecords {
  readonly instances: readonly Instance[];
  readonly snapshots: readonly Snapshot[];
  /** Records that can't be understood, in their old places. */
  readonly damaged: readonly DamagedRow[];
  /** Those that were set aside earlier, under their old keys. */
  readonly aside: readonly DamagedRow[];
  /** Those that were set aside and can be understood now: a newer program had written them, and this is one. */
  readonly mended: readonly Row[];
}

/**
 * Reads every record that is not of the log, one by one. Specs that events share are of the log, and so are requests: there may be as
 * many bytes of them.
 */
export function findRecords(database: Database): FoundRecords {
  const starts = ['\0', ...logTables.map(({ end }) => end)];
  const ends = [...logTables.map(({ prefix }) => prefix), '\xff'];
  const rows = starts.flatMap((start, index) => [...scan(database, start, ends[index] as string)]);
  const damaged: DamagedRow[] = [];

  const allOf = <A>(table: Table<A>): readonly A[] =>
    rows
      .filter(({ key }) => key.startsWith(table.prefix))
      .flatMap((row) => {
        const decoded = table.decode(row);
        if (E.isRight(decoded)) return [decoded.right];
        damaged.push({ row, faults: decoded.left });
        return [];
      });

  const aside = rows
    .filter(({ key }) => key.startsWith(damagedPrefix))
    .map(({ key, bytes }) => ({ key: key.slice(damagedPrefix.length), bytes }));
  for (const row of rows) {
    if (tableOf(row.key) === undefined && !row.key.startsWith(damagedPrefix)) damaged.push(stray(row));
  }
  allOf(runtimes);
  allOf(cursors);
  allOf(ownersRecords);
  allOf(specUses);

  return {
    instances: allOf(instances).toSorted(byAge),
    snapshots: allOf(snapshots).toSorted(byAge),
    damaged,
    aside: aside.map(damageOf).filter(({ faults }) => faults.length > 0),
    mended: aside.filter((row) => damageOf(row).faults.length === 0),
  };
}

const stray = (row: Row): DamagedRow => ({
  row,
  faults: [{ path: '', found: 'a key of no table', expected: 'a known table' }],
});

function damageOf(row: Row): DamagedRow {
  const decoded = tableOf(row.key)?.decode(row);
  if (decoded === undefined) return stray(row);
  return { row, faults: E.isLeft(decoded) ? decoded.left : [] };
}

const byAge = (one: Instance | Snapshot, other: Instance | Snapshot): number =>
  one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1);
