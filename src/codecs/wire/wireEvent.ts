import * as t from 'io-ts';
import type { LifecycleEvent } from '../../lifecycle/event.js';
import { actions, states } from '../../lifecycle/state.js';
import { id } from '../id.js';
import { integer, oneOf } from '../scalars.js';
import { tagged } from '../tagged.js';
import { wireCause } from './wireCause.js';
import { wireInstance } from './wireInstance.js';
import { optional, required, type WireKeys, wireObject } from './wireObject.js';
import { wireSnapshot } from './wireSnapshot.js';
import { wireTime } from './wireTime.js';

/** Where an event stands in a log, which what keeps the log need not write. */
const place = {
  epoch: required('epoch', t.string),
  sequence: required('sequence', integer('a sequence', 0, Number.MAX_SAFE_INTEGER)),
};
const common = {
  time: required('time', wireTime),
  instanceId: required('instance_id', id),
  cause: required('cause', wireCause),
};
const instance = required('instance', wireInstance);
const snapshot = required('snapshot', wireSnapshot);
const snapshotId = optional('snapshot_id', id);
const last = optional('last', wireInstance);
const previousState = required('previous_state', oneOf(states));

/** The wire form of events with some keys more than all have. */
export function wireEventWith(more: WireKeys): t.Mixed {
  const forms = actions.map((action): [string, t.Mixed] => {
    const keys = { ...more, ...common, action: required('action', t.literal(action)) };
    if (action === 'create_snapshot' || action === 'delete_snapshot')
      return [action, wireObject(`an event "${action}"`, { ...keys, snapshot })];
    if (action === 'delete') return [action, wireObject('a delete', { ...keys, last, previousState })];
    const isFirst = action === 'create' || action === 'fork';
    return [
      action,
      wireObject(
        `an event "${action}"`,
        isFirst ? { ...keys, instance, snapshotId } : { ...keys, instance, snapshotId, previousState },
      ),
    ];
  });
  return tagged('an event', 'action', Object.fromEntries(forms));
}

/** The wire form of an event: its place, its time, its cause, and what belongs to its action. */
export const wireEvent = wireEventWith(place) as t.Type<LifecycleEvent, unknown>;
