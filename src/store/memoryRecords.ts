import { defer, EMPTY, of } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Json } from '../lifecycle/instance.js';
import { tableFull } from './recordTables.js';
import { type DamagedRecord, mostRecords, type RecordTables } from './store.js';

/** The tables of owners that are kept without a disk. */
export interface MemoryRecords extends RecordTables {
  /** Those that were set aside. */
  damaged(): readonly DamagedRecord[];
}

/** Creates {@link MemoryRecords}. */
export function createMemoryRecords(): MemoryRecords {
  const tables = new Map<string, Map<string, Json>>();
  const damaged = new Map<string, DamagedRecord>();

  const tableOf = (name: string): Map<string, Json> => {
    const table = tables.get(name) ?? new Map<string, Json>();
    tables.set(name, table);
    return table;
  };

  return {
    damaged: () => [...damaged.values()],
    loadRecords: (table) =>
      defer(() => of(new Map([...tableOf(table)].toSorted(([one], [other]) => (one < other ? -1 : 1))))),
    loadRecord: (table, key) => defer(() => of(tableOf(table).get(key))),
    saveRecord: (name, key, value) =>
      defer(() => {
        const table = tableOf(name);
        if (value === undefined) table.delete(key);
        else if (!table.has(key) && table.size >= mostRecords) throw tableFull(name);
        else table.set(key, deepFreeze(JSON.parse(JSON.stringify(value)) as Json));
        return EMPTY;
      }),
    setAsideRecord: (table, key, faultsOf) =>
      defer(() => {
        const value = tableOf(table).get(key);
        const faults = value === undefined ? [] : faultsOf(value);
        if (faults.length === 0) return EMPTY;
        tableOf(table).delete(key);
        const place = `Record/${table}/${key}`;
        damaged.set(place, { key: place, faults });
        return EMPTY;
      }),
  };
}
