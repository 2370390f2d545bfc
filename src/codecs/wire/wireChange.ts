import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import { changeOf, type InstanceChange } from '../../lifecycle/instanceChange.js';
import { cursor } from '../cursor.js';
import { id } from '../id.js';
import { tagged } from '../tagged.js';
import { wireEvent } from './wireEvent.js';
import { wireInstance } from './wireInstance.js';
import { optional, required, type WireObject, wireObject } from './wireObject.js';

const kind = <Kind extends string>(of: Kind) => required('kind', t.literal(of));

type Upsert = Extract<InstanceChange, { readonly kind: 'upsert' }>;

const eventOfUpsert = wireObject('an upsert', { kind: kind('upsert'), event: required('event', wireEvent) });

/** The instance stands in its event, and is not written twice. */
const upsert = new t.Type<Upsert, WireObject, unknown>(
  eventOfUpsert.name,
  (value): value is Upsert => eventOfUpsert.is(value),
  (value, context) =>
    pipe(
      eventOfUpsert.validate(value, context),
      E.chain(({ event }) => {
        const change = changeOf(event);
        return change?.kind === 'upsert' ? t.success(change) : t.failure(value, context);
      }),
    ),
  ({ kind: of, event }) => eventOfUpsert.encode({ kind: of, event }),
);

/** The wire form of what a watch emits. */
export const wireChange = tagged('a change', 'kind', {
  snapshot: wireObject('a table', {
    kind: kind('snapshot'),
    instances: required('instances', t.readonlyArray(wireInstance, 'instances')),
    cursor: required('cursor', cursor),
  }),
  upsert,
  removed: wireObject('a removal', {
    kind: kind('removed'),
    instanceId: required('instance_id', id),
    last: optional('last', wireInstance),
    event: required('event', wireEvent),
  }),
  closing: wireObject('a closing', { kind: kind('closing') }),
}) as t.Type<InstanceChange, unknown>;
