import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { record } from '../codecs/record.js';
import { secret } from '../codecs/secret.js';
import { oneOf } from '../codecs/scalars.js';
import { tagged } from '../codecs/tagged.js';
import type { Change } from '../lifecycle/event.js';
import type { Instance, InstanceSpec, Json, MachineHandle } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { actions, states } from '../lifecycle/state.js';

/** What comes out of JSON is JSON. */
const json = new t.Type<Json>(
  'JSON',
  (value): value is Json => value !== undefined,
  (value, context) => (value === undefined ? t.failure(value, context) : t.success(value as Json)),
  t.identity,
);

const texts = record('an object of texts', t.string, t.string);
const fields = record('an object', t.string, json);
const state = oneOf(states);

/** The fields that belong to a driver stay as they are: this driver may not be among those at hand. */
const spec = t.intersection(
  [t.type({ driver: t.string, image: t.string, env: secret(texts), tags: texts }), fields],
  'a spec',
) as unknown as t.Type<InstanceSpec, unknown>;

const exit = closed(
  'an exit',
  {
    code: t.union([t.number, t.null], 'a number or null'),
    signal: t.union([t.string, t.null], 'a text or null'),
  },
  {},
);

/** An instance, first version. */
export const instance: t.Type<Instance, unknown> = closed(
  'an instance',
  { id: t.string, name: t.string, spec, state, revision: t.number, createdAt: t.number },
  {
    stateError: t.string,
    startedAt: t.number,
    stoppedAt: t.number,
    exit,
    handle: fields as t.Type<MachineHandle, unknown>,
  },
);

/** A change with the time of its event. */
export interface TimedChange {
  readonly time: number;
  readonly change: Change;
}

const changes = actions.map((action) => {
  const common = { action: t.literal(action), instanceId: t.string };
  if (action === 'delete')
    return [action, closed('a delete', { ...common, previousState: state }, {})] as const;
  const hasPast = action !== 'create' && action !== 'fork';
  const past = hasPast ? { previousState: state } : {};
  return [action, closed(`an event "${action}"`, { ...common, instance, ...past }, {})] as const;
});

/** An event without what its place says, first version. */
export const timedChange: t.Type<TimedChange, unknown> = closed(
  'an event',
  {
    time: t.number,
    change: tagged('a change', 'action', Object.fromEntries(changes)) as t.Type<Change, unknown>,
  },
  {},
);

/** A snapshot, first version. */
export const snapshot: t.Type<Snapshot, unknown> = closed(
  'a snapshot',
  {
    id: t.string,
    instanceId: t.string,
    instanceName: t.string,
    kind: oneOf(['Stopped', 'Standby']),
    createdAt: t.number,
    spec,
    tags: texts,
    size: t.number,
    hash: t.string,
    data: json,
  },
  { name: t.string },
);

/** What the store knows of itself. */
export interface Header {
  /** Name of the event log. */
  readonly epoch: string;
  /** Tells the file that the log was begun in from a copy of it. */
  readonly origin: string;
  /** Events below this sequence are not kept. */
  readonly floor: number;
}

/** A header, first version. */
export const header: t.Type<Header, unknown> = closed(
  'a header',
  { epoch: t.string, origin: t.string, floor: t.number },
  {},
);

/** What controllers remember of one instance, by controller; first version. */
export const runtime = fields;

/** How far a consumer came, first version. */
export const cursor = t.number;
