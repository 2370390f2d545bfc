import * as t from 'io-ts';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import { id } from '../id.js';
import { json } from '../json.js';
import { name } from '../name.js';
import { record } from '../record.js';
import { integer, oneOf } from '../scalars.js';
import { optional, required, wireObject } from './wireObject.js';
import { wireSpec } from './wireSpec.js';
import { wireTime } from './wireTime.js';

/** The wire form of a snapshot. Its tags are its own; those of the instance stand in its `spec`. */
export const wireSnapshot: t.Type<Snapshot, unknown> = wireObject('a snapshot', {
  id: required('id', id),
  instanceId: required('source_instance_id', id),
  instanceName: required('source_instance_name', name),
  name: optional('name', name),
  kind: required('kind', oneOf(['Stopped', 'Standby'])),
  createdAt: required('created_at', wireTime),
  spec: required('spec', wireSpec),
  tags: required('tags', record('an object of texts', t.string, t.string)),
  size: required('size_bytes', integer('bytes', 0, Number.MAX_SAFE_INTEGER)),
  hash: required('hash', t.string),
  data: required('data', json),
});
