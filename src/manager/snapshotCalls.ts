import { concat, defer, of } from 'rxjs';
import { found } from '../codecs/decode.js';
import { InvalidRequest } from '../lifecycle/errors.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import type { ForkSnapshotRequest, Snapshots } from '../instances/snapshots.js';
import * as requests from './snapshotRequests.js';
import type { Calls } from './calls.js';
import type { Secrets } from './secrets.js';
import type { SnapshotTable } from './snapshotTable.js';
import type { Turns } from './turns.js';

/**
 * Creates the verbs of snapshots as an application calls them. Whatever uses a snapshot holds its queue, after that of the
 * instance, never before it. `sized` refuses requests that are too large, `forked` tells the spec of a fork.
 */
export function createSnapshotCalls(
  calls: Calls,
  { queue, whileOpen }: Turns,
  snapshots: SnapshotTable,
  sized: <T>(request: T) => T,
  forked: (spec: InstanceSpec, request: ForkSnapshotRequest) => InstanceSpec,
  { holding }: Pick<Secrets, 'holding'>,
): Snapshots {
  return {
    createSnapshot: (idOrName, request, options) =>
      calls(
        'change',
        ['createSnapshot', idOrName, request],
        options,
        ({ snapshotVerbs, expected, onInstance }) =>
          onInstance('createSnapshot', idOrName, (instance) =>
            snapshotVerbs.create(expected(instance), requests.decodeSnapshot(sized(request))),
          ),
      ),
    listSnapshots: (filter = {}) =>
      whileOpen(() => of(snapshots.matching(requests.decodeSnapshotFilter(sized(filter))))),
    getSnapshot: (snapshotId) => whileOpen(() => of(snapshots.get(snapshotId))),
    deleteSnapshot: (snapshotId, options) =>
      calls('mutation', ['deleteSnapshot', snapshotId], options, ({ snapshotVerbs, inTurn }) => {
        const { id } = snapshots.get(snapshotId);
        return inTurn('deleteSnapshot', id, () => snapshotVerbs.delete(snapshots.get(id)));
      }),
    forkSnapshot: (snapshotId, request, options) =>
      calls('launch', ['forkSnapshot', snapshotId, request], options, ({ verbs, snapshotVerbs, making }) => {
        const snapshot = snapshots.get(snapshotId);
        const decoded = requests.decodeForkSnapshot(snapshot, sized(request));
        const { kind: state } = snapshot;
        const spec = forked(snapshot.spec, decoded);
        return making('forkSnapshot', decoded.name, (id) =>
          holding(
            spec,
            concat(
              queue.run(snapshot.id, () => snapshotVerbs.layOut(snapshots.get(snapshot.id), id, decoded)),
              defer(() => verbs.fork({ spec, state, snapshotId: snapshot.id }, id, decoded)),
            ),
          ),
        );
      }),
    restoreSnapshot: (idOrName, snapshotId, request = {}, options) =>
      calls(
        'changeAndLaunch',
        ['restoreSnapshot', idOrName, snapshotId, request],
        options,
        ({ snapshotVerbs, expected, onInstance }) =>
          onInstance('restoreSnapshot', idOrName, (known) => {
            const instance = expected(known);
            const snapshot = snapshots.get(snapshotId);
            const decoded = requests.decodeRestoreSnapshot(snapshot, sized(request));
            if (snapshot.instanceId !== instance.id) {
              const wanted = `the id of a snapshot of instance ${instance.id}`;
              throw new InvalidRequest({
                faults: [{ path: 'snapshotId', found: found(snapshotId), expected: wanted }],
              });
            }
            return queue.run(snapshot.id, () =>
              snapshotVerbs.restore(instance, snapshots.get(snapshot.id), decoded),
            );
          }),
      ),
  };
}
