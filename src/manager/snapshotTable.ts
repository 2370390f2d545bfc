import { found } from '../codecs/decode.js';
import { InvalidRequest, NameTaken, SnapshotNotFound } from '../lifecycle/errors.js';
import type { Change } from '../lifecycle/event.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type { SnapshotFilter } from '../instances/snapshots.js';

/** All snapshots, by id. */
export interface SnapshotTable {
  /** The snapshot with this id. @throws {@link SnapshotNotFound}, {@link InvalidRequest} for what is no text */
  get(id: string): Snapshot;
  all(): readonly Snapshot[];
  /** The snapshots for which all conditions hold. */
  matching(filter: SnapshotFilter): readonly Snapshot[];
  /** @throws {@link NameTaken} when a snapshot of the instance has this name */
  checkName(instanceId: string, name: string | undefined): void;
  /** Takes in what an event tells of a snapshot. */
  apply(event: Change): void;
}

/** Creates a table that holds what is kept. */
export function createSnapshotTable(kept: readonly Snapshot[]): SnapshotTable {
  const byId = new Map(kept.map((snapshot) => [snapshot.id, snapshot]));

  const matching = ({ instanceId, kind, name, tags = {} }: SnapshotFilter): readonly Snapshot[] =>
    [...byId.values()].filter(
      (snapshot) =>
        (instanceId === undefined || snapshot.instanceId === instanceId) &&
        (kind === undefined || snapshot.kind === kind) &&
        (name === undefined || snapshot.name === name) &&
        Object.entries(tags).every(([key, value]) => snapshot.tags[key] === value),
    );

  return {
    get: (id) => {
      const snapshot = byId.get(id);
      if (snapshot !== undefined) return snapshot;
      if (typeof id === 'string') throw new SnapshotNotFound({ snapshotId: id });
      throw new InvalidRequest({
        faults: [{ path: 'snapshotId', found: found(id), expected: 'the id of a snapshot' }],
      });
    },
    all: () => [...byId.values()],
    matching,
    checkName: (instanceId, name) => {
      if (name !== undefined && matching({ instanceId, name }).length > 0)
        throw new NameTaken({ taken: name });
    },
    apply: ({ action, snapshot }) => {
      if (action === 'create_snapshot') byId.set(snapshot.id, snapshot);
      if (action === 'delete_snapshot') byId.delete(snapshot.id);
    },
  };
}
