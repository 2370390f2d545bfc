import { tags } from '../codecs/commonFields.js';
import { closed } from '../codecs/closed.js';
import { decodeOrThrow, found } from '../codecs/decode.js';
import { oneOf } from '../codecs/scalars.js';
import * as t from 'io-ts';
import { InvalidRequest } from '../lifecycle/errors.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type {
  ForkSnapshotRequest,
  RestoreSnapshotRequest,
  SnapshotFilter,
  CreateSnapshotRequest,
} from '../instances/snapshots.js';
import { anyTags } from '../codecs/tags.js';
import { forkChanges, name } from './requests.js';

/** Decodes a request to take a snapshot. @throws {@link InvalidRequest} */
export const decodeSnapshot = (request: unknown): CreateSnapshotRequest => decodeOrThrow(snapshot, request);

/** Decodes which snapshots to list. @throws {@link InvalidRequest} */
export const decodeSnapshotFilter = (filter: unknown): SnapshotFilter =>
  decodeOrThrow(snapshotFilter, filter);

/** Decodes a request to fork a snapshot; the state that is left open is that of the snapshot. @throws {@link InvalidRequest} */
export function decodeForkSnapshot({ kind }: Snapshot, request: unknown): ForkOfSnapshot {
  return { targetState: kind, ...(decodeOrThrow(fork, request) as ForkSnapshotRequest) };
}

/** A request to fork a snapshot to a state that is known. */
export type ForkOfSnapshot = ForkSnapshotRequest & Required<Pick<ForkSnapshotRequest, 'targetState'>>;

/**
 * Decodes to which state an instance is brought; what was taken with its memory goes on, if nothing else is said.
 *
 * @throws {@link InvalidRequest}
 */
export function decodeRestoreSnapshot(
  { kind }: Snapshot,
  request: unknown,
): Required<RestoreSnapshotRequest> {
  const { targetState = kind === 'Standby' ? 'Running' : 'Stopped' } = decodeOrThrow(restore, request);
  if (kind === 'Stopped' && targetState === 'Standby') {
    const expected = 'Stopped or Running, for a snapshot of kind Stopped';
    throw new InvalidRequest({ faults: [{ path: 'targetState', found: found(targetState), expected }] });
  }
  return { targetState };
}

const kind = oneOf(['Stopped', 'Standby']);
const targetState = oneOf(['Stopped', 'Standby', 'Running']);
const snapshot = closed('snapshot request', { kind }, { name, tags });
const snapshotFilter = closed('filter', {}, { instanceId: t.string, kind, name: t.string, tags: anyTags });
const fork = closed('fork request', { name }, { targetState, ...forkChanges });
const restore = closed('restore request', {}, { targetState });
