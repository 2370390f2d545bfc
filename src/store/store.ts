import type { Observable } from 'rxjs';
import type { Fault } from '../lifecycle/errors.js';
import type { CausedChange, Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';

/**
 * Keeps the instances, the log of their events, snapshots, and what consumers and controllers have to remember.
 *
 * Every method returns a cold Observable: nothing happens before subscribe. What has begun runs to its end, whoever still
 * listens, and takes effect in the order of the subscribes. Whatever fails does so with {@link StoreFailed}, and then
 * nothing of it was kept.
 */
export interface Store extends RecordTables {
  /** Name of the event log. A log that was copied or brought back goes on under another name. */
  readonly epoch: string;
  /** Reads what is kept. Emits once. */
  load(): Observable<StoredState>;
  /**
   * Keeps a change and its event in one transaction and emits the event, deeply frozen, once both are kept. Events are
   * emitted in the order of their sequence, whatever the number of commits under way. A `delete` also takes away what
   * controllers remembered of the instance. A `create_snapshot` keeps the snapshot and a `delete_snapshot` takes it away, and what is
   * kept of the instance stays. A request that is given is remembered in the same transaction: the instance of the
   * event, or its snapshot, is what came of it.
   */
  commit(change: CausedChange, request?: AskedRequest): Observable<LifecycleEvent>;
  /**
   * Reads the log: events after a place in it, oldest first, at most `limit` (1 or more). Emits once; no events if there
   * are none yet. Fails with {@link CursorExpired} when an event between that place and the end of the log is not kept,
   * or when the place is none of this log.
   */
  read(after: Cursor, limit: number): Observable<LogPage>;

  /** Emits once: the sequence of the last event with which this consumer is done, or `undefined`. */
  loadCursor(consumer: string): Observable<number | undefined>;
  /** Remembers the sequence of the last event with which this consumer is done. */
  saveCursor(consumer: string, sequence: number): Observable<never>;

  /** Emits once: what a controller remembers, by instance. */
  loadRuntime(controller: string): Observable<ReadonlyMap<string, Json>>;
  /** Remembers something of an instance for a controller, or forgets it (`undefined`). Of an instance that is gone nothing is kept. */
  saveRuntime(controller: string, instanceId: string, value: Json | undefined): Observable<never>;

  /** Remembers a request of which no change came. */
  saveRequest(request: ConcludedRequest): Observable<never>;
  /**
   * Emits once: what came of a request, the last one that was remembered under this name; `undefined` once it is forgotten. It is
   * remembered for as long as the log keeps its event, or of one that had none, the event that came next; and there are at most as
   * many as the log may keep events. They take from its bytes.
   */
  loadRequest(by: string, requestId: string): Observable<ConcludedRequest | undefined>;

  /** Lets go of the store after what is under way. Nothing can be asked of it afterwards. */
  close(): Observable<never>;
}

/** Tables of named records that are no instance's; what they are, their owners say. */
export interface RecordTables {
  /** Emits once: the records of a table that is its owner's, by key, in the order of the keys; deeply frozen. */
  loadRecords(table: string): Observable<ReadonlyMap<string, Json>>;
  /** Emits once: a record of such a table, deeply frozen; `undefined` if there is none. */
  loadRecord(table: string, key: string): Observable<Json | undefined>;
  /**
   * Keeps a record in the place of the one with this key, or takes it away (`undefined`). A table and a key are printable ASCII without
   * spaces, and the name of a table has no slash. A table has at most 10000.
   */
  saveRecord(table: string, key: string, value: Json | undefined): Observable<never>;
  /** Sets a record aside with its bytes if its owner finds fault with it as it is then. When the store is opened again, it stands in its place again. */
  setAsideRecord(table: string, key: string, faultsOf: (value: Json) => readonly Fault[]): Observable<never>;
}

/** How many records a table of an owner has at most. */
export const mostRecords = 10_000;

/** A request to change something, by the name that its caller gave it. */
export interface AskedRequest {
  /** Who asked: names are their own. */
  readonly by: string;
  /** 1 to 128 printable characters of ASCII without spaces. */
  readonly requestId: string;
  /** Tells it from a request for something else. */
  readonly fingerprint: string;
}

/** A request, and what came of it. */
export interface ConcludedRequest extends AskedRequest {
  readonly outcome: RequestOutcome;
}

/** What came of a request. */
export type RequestOutcome =
  { readonly instance: Instance } | { readonly snapshot: Snapshot } | { readonly error: Error };

/** What a store holds at one moment. */
export interface StoredState {
  /** Oldest first. */
  readonly instances: readonly Instance[];
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[];
  /** Sequence of the last event. */
  readonly sequence: number;
  /** Records that can't be understood, now and at earlier times; set aside with their bytes. */
  readonly damaged: readonly DamagedRecord[];
}

/** A record that can't be understood: it was changed from outside, or a newer program wrote it. */
export interface DamagedRecord {
  /** Its table and its key in it, such as `Instance/tz4a98xxat96iws9zmbrgj3a`. */
  readonly key: string;
  /** What is wrong with it. */
  readonly faults: readonly Fault[];
}

/** A part of the event log. */
export interface LogPage {
  readonly events: readonly LifecycleEvent[];
  /** Sequence of the oldest event that is kept; that of the next event when none is. */
  readonly oldest: number;
}
