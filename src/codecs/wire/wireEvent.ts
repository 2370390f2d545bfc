import * as t from 'io-ts';
import type { LifecycleEvent } from '../../lifecycle/event.js';
import { actions, states } from '../../lifecycle/state.js';
import { id } from '../id.js';
import { integer, oneOf } from '../scalars.js';
import { tagged } from '../tagged.js';
import { wireInstance } from './wireInstance.js';
import { optional, required, wireObject } from './wireObject.js';
import { wireTime } from './wireTime.js';

const common = {
  epoch: required('epoch', t.string),
  sequence: required('sequence', integer('a sequence', 0, Number.MAX_SAFE_INTEGER)),
  time: required('time', wireTime),
  instanceId: required('instance_id', id),
};
const instance = required('instance', wireInstance);
const last = optional('last', wireInstance);
const previousState = required('previous_state', oneOf(states));

const forms = actions.map((action): [string, t.Mixed] => {
  const keys = { ...common, action: required('action', t.literal(action)) };
  if (action === 'delete') return [action, wireObject('a delete', { ...keys, last, previousState })];
  const isFirst = action === 'create' || action === 'fork';
  return [
    action,
    wireObject(
      `an event "${action}"`,
      isFirst ? { ...keys, instance } : { ...keys, instance, previousState },
    ),
  ];
});

/** The wire form of an event: its place, its time, and what belongs to its action. */
export const wireEvent = tagged('an event', 'action', Object.fromEntries(forms)) as t.Type<
  LifecycleEvent,
  unknown
>;
