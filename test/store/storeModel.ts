import fc from 'fast-check';
import { firstValueFrom, type Observable } from 'rxjs';
import type { CausedChange } from '../../src/lifecycle/event.js';
import type { Instance, Json } from '../../src/lifecycle/instance.js';
import type { Snapshot } from '../../src/lifecycle/snapshot.js';
import type { ConcludedRequest, Store } from '../../src/store/store.js';
import {
  aRequest,
  aSnapshot,
  deleted,
  idOf,
  snapshotGone,
  snapshotTaken,
  updated,
  wholeLog,
} from './changes.js';

/** What is asked of a store and of its model alike. */
export type Step = (store: Store, model: Model) => Observable<unknown>;

const name = fc.constantFrom('a', 'b', 'c');
const controller = fc.constantFrom('one', 'two');
const value = fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>;

const key = fc.constantFrom('a', 'A', 'a/b', '~', '__proto__');

/** Any {@link Step}. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(name, fc.nat()).map(([of, revision]): Step => commitStep(updated(of, revision))),
  },
  name.map((of) => commitStep(deleted(of))),
  fc
    .tuple(controller, name, fc.option(value, { nil: undefined }))
    .map(([by, of, what]): Step => (store, model) => {
      model.runtime(by, idOf(of), what);
      return store.saveRuntime(by, idOf(of), what);
    }),
  fc
    .tuple(controller, key, fc.option(value, { nil: undefined }))
    .map(([table, of, what]): Step => (store, model) => {
      model.record(table, of, what);
      return store.saveRecord(table, of, what);
    }),
  fc.tuple(controller, fc.nat()).map(([by, sequence]): Step => (store, model) => {
    model.cursors.set(by, sequence);
    return store.saveCursor(by, sequence);
  }),
  fc.tuple(fc.constantFrom('x', 'y'), fc.nat()).map(([requestId, print]): Step => (store, model) => {
    const request = aRequest(requestId, { fingerprint: String(print) });
    model.request(request, false);
    return store.saveRequest(request);
  }),
  fc
    .tuple(fc.constantFrom('x', 'y'), name, fc.nat())
    .map(([requestId, of, print]): Step => (store, model) => {
      const change = { ...updated(of, print), cause: { by: 'caller', requestId } };
      model.commit(change);
      const { instance } = change as { readonly instance: Instance };
      const { outcome, ...asked } = aRequest(requestId, {
        fingerprint: String(print),
        outcome: { instance },
      });
      model.request({ ...asked, outcome }, true);
      return store.commit(change, asked);
    }),
  fc.tuple(name, fc.boolean()).map(([of, isGone]): Step => (store, model) => {
    const snapshot = aSnapshot({ id: idOf(of), createdAt: of.charCodeAt(0) });
    const change = isGone ? snapshotGone(snapshot) : snapshotTaken(snapshot);
    model.commit(change);
    return store.commit(change);
  }),
);

const commitStep =
  (change: CausedChange): Step =>
  (store, model) => {
    model.commit(change);
    return store.commit(change);
  };

/** What a store is, without any of its troubles. */
export class Model {
  readonly log: CausedChange[] = [];
  readonly cursors = new Map<string, number>();
  readonly snapshots = new Map<string, Snapshot>();
  private readonly instances = new Map<string, CausedChange['instance']>();
  /** With the event with which each is forgotten. */
  private requests: (readonly [ConcludedRequest, number])[] = [];
  private readonly runtimes = new Map<string, Json>();
  private readonly records = new Map<string, Json>();

  constructor(private readonly maxEvents: number) {}

  get oldest(): number {
    return Math.max(1, this.log.length - this.maxEvents + 1);
  }

  commit(change: CausedChange): void {
    this.log.push(change);
    if (change.action === 'create_snapshot') this.snapshots.set(change.snapshot.id, change.snapshot);
    else if (change.action === 'delete_snapshot') this.snapshots.delete(change.snapshot.id);
    else if (change.action !== 'delete') this.instances.set(change.instanceId, change.instance);
    else {
      this.instances.delete(change.instanceId);
      for (const name of ['one', 'two']) this.runtimes.delete(`${name} ${change.instanceId}`);
    }
  }

  request(request: ConcludedRequest, isTold: boolean): void {
    this.requests.push([request, this.log.length + (isTold ? 0 : 1)]);
    if (this.requests.length > this.maxEvents) this.requests.shift();
  }

  runtime(name: string, of: string, what: Json | undefined): void {
    if (what === undefined) this.runtimes.delete(`${name} ${of}`);
    // JSON has no -0.
    else if (this.instances.has(of))
      this.runtimes.set(`${name} ${of}`, JSON.parse(JSON.stringify(what)) as Json);
  }

  record(table: string, key: string, what: Json | undefined): void {
    if (what === undefined) this.records.delete(`${table} ${key}`);
    else this.records.set(`${table} ${key}`, JSON.parse(JSON.stringify(what)) as Json);
  }

  seen(): Seen {
    return {
      instances: new Map(this.instances),
      snapshots: new Map(this.snapshots),
      cursors: new Map(this.cursors),
      runtimes: new Map(this.runtimes),
      records: [...this.records].toSorted(([one], [other]) => (one < other ? -1 : 1)),
      requests: new Map(
        this.requests
          .filter(([, sequence]) => sequence >= this.oldest)
          .map(([request]) => [request.requestId, request]),
      ),
      sequence: this.log.length,
      log: this.log.map((change, index) => [index + 1, change] as const).slice(this.oldest - 1),
    };
  }
}

/** All that can be seen of a store. */
export interface Seen {
  readonly instances: ReadonlyMap<string, CausedChange['instance']>;
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly cursors: ReadonlyMap<string, number>;
  readonly runtimes: ReadonlyMap<string, Json>;
  /** In their order. */
  readonly records: readonly (readonly [string, Json])[];
  readonly requests: ReadonlyMap<string, ConcludedRequest>;
  readonly sequence: number;
  readonly log: readonly (readonly [sequence: number, change: CausedChange])[];
}

/** Looks at everything in a store. */
export async function seenOf(store: Store, oldest: number): Promise<Seen> {
  const { instances, snapshots, sequence } = await firstValueFrom(store.load());
  const runtimes = new Map<string, Json>();
  const cursors = new Map<string, number>();
  for (const name of ['one', 'two']) {
    for (const [of, what] of await firstValueFrom(store.loadRuntime(name)))
      runtimes.set(`${name} ${of}`, what);
    const cursor = await firstValueFrom(store.loadCursor(name));
    if (cursor !== undefined) cursors.set(name, cursor);
  }
  const records: (readonly [string, Json])[] = [];
  for (const table of ['one', 'two']) {
    for (const [of, what] of await firstValueFrom(store.loadRecords(table))) {
      expect(await firstValueFrom(store.loadRecord(table, of))).toStrictEqual(what);
      records.push([`${table} ${of}`, what]);
    }
  }
  const requests = new Map<string, ConcludedRequest>();
  for (const name of ['x', 'y']) {
    const request = await firstValueFrom(store.loadRequest('caller', name));
    if (request !== undefined) requests.set(name, request);
  }
  const log = await wholeLog(store, oldest - 1);
  return {
    instances: new Map(instances.map((instance) => [instance.id, instance])),
    snapshots: new Map(snapshots.map((snapshot) => [snapshot.id, snapshot])),
    cursors,
    runtimes,
    records,
    requests,
    sequence,
    log: log.map(({ epoch: _epoch, sequence: place, time: _time, ...change }) => [place, change]),
  };
}
