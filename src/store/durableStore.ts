import * as E from 'fp-ts/lib/Either.js';
import { defer, ignoreElements, lastValueFrom, mergeMap, type Observable, of } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Json } from '../lifecycle/instance.js';
import type { Database, Row } from './database.js';
import { createEventLog, type EventLogOptions } from './eventLog.js';
import { type DamagedRow, findLog } from './findLog.js';
import { findRecords } from './findRecords.js';
import { createGroupCommit, type Transaction } from './groupCommit.js';
import type { StoreState } from './logSpan.js';
import { countRecord, createRecordTables } from './recordTables.js';
import { createRequestLog } from './requestLog.js';
import { scan } from './scan.js';
import type { DamagedRecord, StoredState, Store } from './store.js';
import {
  cursors,
  damagedPrefix,
  events,
  header,
  headerName,
  instances,
  requestNames,
  requests,
  runtimes,
  setAside,
  snapshots,
  type Table,
  tableOf,
} from './tables.js';

/** What a durable store needs besides its database. */
export interface DurableStoreOptions extends EventLogOptions {
  /** Tells the database's file from a copy of it. */
  readonly origin: string;
  /** As version 0.1.0 told it. */
  readonly formerOrigin: string;
  /**
   * Called before anything is written when the file is a copy, with what it holds: what was made since is not in it. Whatever it
   * fails with, opening does.
   */
  readonly onCopy?: (kept: Pick<StoredState, 'instances' | 'snapshots' | 'damaged'>) => Promise<void>;
  /** How many bytes the records of all events take. @defaultValue they are counted */
  readonly logBytes?: number;
}

/** How many old events go at a time when the store is opened. */
const goneAtATime = 1_000;
/** How many old requests go with an event at most. */
const goneWithOne = 16;

/**
 * Creates a store in a database, which is closed with it.
 *
 * @throws {@link StoreFailed} as a rejection, also when a newer program wrote what is there
 */
export async function createDurableStore(database: Database, options: DurableStoreOptions): Promise<Store> {
  const { onDamaged } = options;
  const found = findLog(database, options.origin, options.formerOrigin, options.logBytes);
  const group = createGroupCommit(database, found.state);
  const log = createEventLog(database, group, found.header, options);
  const { epoch } = found.header;
  const asked = createRequestLog(database, group, { ...options, epoch, log });

  /** Runs a task and waits until what it wrote is on disk. */
  const written = (task: (transaction: Transaction<StoreState>) => unknown): Observable<never> =>
    group.run(task).pipe(ignoreElements());

  if (found.isCopy) {
    const { instances: known, snapshots: taken, damaged, aside } = findRecords(database);
    await options.onCopy?.({
      instances: known,
      snapshots: taken,
      damaged: [...aside, ...damaged].map(recordOf),
    });
  }
  await lastValueFrom(
    group.run((transaction) => {
      for (const { row } of found.damaged) setAside(transaction, row);
      if (found.isAnother) transaction.put(header.encode(headerName, found.header));
    }),
  );
  for (const damage of found.damaged) onDamaged(recordOf(damage));
  for (const { shorten } of [log, asked]) {
    while ((await lastValueFrom(group.run((each) => shorten(each, goneAtATime)))) === goneAtATime);
  }

  const load = (): Observable<StoredState> =>
    defer(() => {
      const { damaged, aside, mended, ...kept } = findRecords(database);
      return group
        .run((transaction) => {
          for (const { row } of damaged) {
            setAside(transaction, row);
            countRecord(transaction, row.key, -1);
          }
          for (const row of mended) putBack(transaction, row);
        })
        .pipe(
          mergeMap(() => {
            if (mended.length > 0) return load();
            const { sequence } = group.state();
            return of(deepFreeze({ ...kept, sequence, damaged: [...aside, ...damaged].map(recordOf) }));
          }),
        );
    });

  return {
    epoch,
    load,
    commit: (change, request) =>
      group.run((transaction) => {
        const { instanceId, snapshot } = change;
        // It is written into its record and into the event.
        const json = change.instance && instances.write(change.instance);
        if (json !== undefined) transaction.put(instances.seal(instanceId, json));
        else if (change.action === 'create_snapshot')
          transaction.put(snapshots.encode(change.snapshot.id, change.snapshot));
        else if (snapshot !== undefined) transaction.remove(snapshots.keyOf(snapshot.id));
        else {
          transaction.remove(instances.keyOf(instanceId));
          transaction.remove(runtimes.keyOf(instanceId));
        }
        const event = log.append(transaction, change, json);
        if (request === undefined) asked.shorten(transaction, goneWithOne);
        else asked.keep(transaction, request);
        return event;
      }),
    read: log.read,

    loadCursor: (consumer) =>
      defer(() => of(understood(cursors, consumer, database.get(cursors.keyOf(consumer))))),
    saveCursor: (consumer, sequence) =>
      written(({ put }) => {
        put(cursors.encode(consumer, sequence));
      }),

    loadRuntime: (controller) =>
      defer(() => {
        const byInstance = new Map<string, Json>();
        for (const { key, bytes } of scan(database, runtimes.prefix, runtimes.end)) {
          const instanceId = key.slice(runtimes.prefix.length);
          const value = understood(runtimes, instanceId, bytes)?.[controller];
          if (value !== undefined) byInstance.set(instanceId, deepFreeze(value));
        }
        return of(byInstance);
      }),
    saveRuntime: (controller, instanceId, value) =>
      written(({ get, put }) => {
        if (get(instances.keyOf(instanceId)) === undefined) return;
        const known = understood(runtimes, instanceId, get(runtimes.keyOf(instanceId)));
        const { [controller]: _, ...others } = known ?? {};
        const all = value === undefined ? others : { ...others, [controller]: value };
        put(runtimes.encode(instanceId, all));
      }),

    ...createRecordTables(database, group),

    saveRequest: (request) =>
      written((transaction) => {
        asked.keep(transaction, request, request.outcome);
      }),
    loadRequest: asked.load,

    close: () =>
      defer(async () => {
        await group.whenIdle();
        await database.close();
      }).pipe(ignoreElements()),
  };
}

const recordOf = ({ row: { key }, faults }: DamagedRow): DamagedRecord => ({ key, faults });

/** What cannot be understood is as if it were not there; `load` sets it aside. */
function understood<A>(table: Table<A>, name: string, bytes: Buffer | undefined): A | undefined {
  const decoded = bytes && table.decode({ key: table.keyOf(name), bytes });
  return decoded !== undefined && E.isRight(decoded) ? decoded.right : undefined;
}

/** What is of the log has its place in it no more. */
function putBack(transaction: Transaction<StoreState>, row: Row): void {
  transaction.remove(`${damagedPrefix}${row.key}`);
  if (hasPlace(row.key) || transaction.get(row.key) !== undefined) return;
  transaction.put(row);
  countRecord(transaction, row.key, 1);
}

const hasPlace = (key: string): boolean =>
  [events, requests, requestNames].some((each) => each === tableOf(key));
