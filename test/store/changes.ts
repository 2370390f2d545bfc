import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import type { CausedChange, LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Snapshot } from '../../src/lifecycle/snapshot.js';
import type { SnapshotAction } from '../../src/lifecycle/state.js';
import { defaultRetention, type Retention } from '../../src/store/logSpan.js';
import type { ConcludedRequest, Store } from '../../src/store/store.js';
import { anInstance } from '../support/lifecycleEvents.js';

export interface StoreOptions {
  readonly retention: Retention;
  readonly now: () => number;
}

export const defaults: StoreOptions = { retention: defaultRetention, now: Date.now };

/** The id of the instance or snapshot that a test calls so. */
export const idOf = (name: string): string => name.padEnd(24, '0');

export const created = (name: string, createdAt = 0): CausedChange => ({
  action: 'create',
  cause: { by: 'caller' },
  instanceId: idOf(name),
  instance: anInstance({ id: idOf(name), name, createdAt }),
});

export const updated = (name: string, revision: number): CausedChange => ({
  action: 'update',
  cause: { by: 'caller' },
  instanceId: idOf(name),
  instance: anInstance({ id: idOf(name), name, revision }),
  previousState: 'Running',
});

/** As version 0.1.0 has kept it. */
export const deleted = (name: string): CausedChange => ({
  action: 'delete',
  cause: { by: 'caller' },
  instanceId: idOf(name),
  previousState: 'Running',
});

export const deletedWithLast = (name: string): CausedChange => ({
  action: 'delete',
  cause: { by: 'caller' },
  instanceId: idOf(name),
  last: anInstance({ id: idOf(name), name }),
  previousState: 'Running',
});

export const aSnapshot = (fields: Partial<Snapshot> = {}): Snapshot => ({
  id: idOf('s'),
  instanceId: idOf('a'),
  instanceName: 'a',
  kind: 'Stopped',
  createdAt: 1,
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  tags: {},
  size: 17,
  hash: 'abc',
  data: { files: ['disk'] },
  ...fields,
});

const ofSnapshot =
  (action: SnapshotAction) =>
  (snapshot: Snapshot): CausedChange => ({
    action,
    cause: { by: 'caller' },
    instanceId: snapshot.instanceId,
    snapshot,
  });

export const snapshotTaken = ofSnapshot('create_snapshot');
export const snapshotGone = ofSnapshot('delete_snapshot');

/** A request by the name, of which nothing came if nothing else is said. */
export const aRequest = (requestId: string, fields: Partial<ConcludedRequest> = {}): ConcludedRequest => ({
  by: 'caller',
  requestId,
  fingerprint: 'abc',
  outcome: { instance: anInstance({ id: idOf('a') }) },
  ...fields,
});

export const done = (work$: Observable<never>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });

/** Reads the whole log, some events at a time. */
export async function wholeLog(store: Store, after = 0, limit = 7): Promise<readonly LifecycleEvent[]> {
  const { events } = await firstValueFrom(store.read({ epoch: store.epoch, sequence: after }, limit));
  const last = events.at(-1);
  return last === undefined ? [] : [...events, ...(await wholeLog(store, last.sequence, limit))];
}
