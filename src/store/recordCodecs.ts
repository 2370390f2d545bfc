import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { id } from '../codecs/id.js';
import { json } from '../codecs/json.js';
import { name } from '../codecs/name.js';
import { record } from '../codecs/record.js';
import { secret } from '../codecs/secret.js';
import { integer, oneOf } from '../codecs/scalars.js';
import { tagged } from '../codecs/tagged.js';
import { wireError } from '../codecs/wire/wireError.js';
import { wireInstance } from '../codecs/wire/wireInstance.js';
import { optional, required, wireObject } from '../codecs/wire/wireObject.js';
import { wireSnapshot } from '../codecs/wire/wireSnapshot.js';
import { wireEventWith } from '../codecs/wire/wireEvent.js';
import { likelyCause } from '../lifecycle/cause.js';
import type { CausedChange, Change } from '../lifecycle/event.js';
import type { Instance, InstanceSpec, MachineHandle } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { instanceActions, states } from '../lifecycle/state.js';
import type { AskedRequest, RequestOutcome } from './store.js';

const count = (what: string): t.Type<number, unknown> => integer(what, 0, Number.MAX_SAFE_INTEGER);
const revision = count('a revision');
const sequence = count('a sequence');
const mostMs = 8.64e15;
/** What a `Date` can tell. */
const time = integer('a time', -mostMs, mostMs);

const texts = record('an object of texts', t.string, t.string);
const fields = record('an object', t.string, json);
const state = oneOf(states);

/** The fields that belong to a driver stay as they are: this driver may not be among those at hand. */
const spec = t.intersection(
  [secret(t.type({ driver: t.string, image: t.string, env: texts, tags: texts })), secret(fields)],
  'a spec',
) as unknown as t.Type<InstanceSpec, unknown>;

const exit = closed(
  'an exit',
  {
    code: t.union([t.number, t.null], 'a number or null'),
    signal: t.union([t.string, t.null], 'a text or null'),
  },
  { timedOut: oneOf(['readiness', 'run']) },
);

/** An instance, first version. */
export const firstInstance: t.Type<Instance, unknown> = closed(
  'an instance',
  { id, name, spec, state, revision, createdAt: time },
  {
    stateError: t.string,
    startedAt: time,
    readyBy: time,
    stoppedAt: time,
    exit,
    handle: secret(fields as t.Type<MachineHandle, unknown>),
    wasReady: t.literal(false),
  },
);

/** What is written of an event: its place says the rest. */
export type StoredEvent = CausedChange & {
  readonly time: number;
  /** Of an instance whose spec is kept once for many events: its hash. The spec beside it is bare then. */
  readonly specHash?: string;
};

const changes = instanceActions.map((action) => {
  const common = { action: t.literal(action), instanceId: id };
  if (action === 'delete')
    return [
      action,
      closed('a delete', { ...common, previousState: state }, { last: firstInstance }),
    ] as const;
  const hasPast = action !== 'create' && action !== 'fork';
  const past = hasPast ? { previousState: state } : {};
  return [
    action,
    closed(`an event "${action}"`, { ...common, instance: firstInstance, ...past }, {}),
  ] as const;
});

const timedChange = closed(
  'an event',
  {
    time,
    change: tagged('a change', 'action', Object.fromEntries(changes)) as t.Type<Change, unknown>,
  },
  {},
);

/** An event, first version. Its cause was not kept. */
export const firstEvent: t.Decoder<unknown, StoredEvent> = {
  name: timedChange.name,
  validate: (value, context) => pipe(timedChange.validate(value, context), E.map(withCause)),
  decode: (value) => pipe(timedChange.decode(value), E.map(withCause)),
};

function withCause({ time: at, change }: t.TypeOf<typeof timedChange>): StoredEvent {
  return { ...change, cause: likelyCause(change.action), time: at };
}

/** An event, second version. */
export const event = wireEventWith({ specHash: optional('spec_hash', t.string) }) as t.Type<
  StoredEvent,
  unknown
>;

/** A snapshot, first version. */
export const firstSnapshot: t.Type<Snapshot, unknown> = closed(
  'a snapshot',
  {
    id,
    instanceId: id,
    instanceName: name,
    kind: oneOf(['Stopped', 'Standby']),
    createdAt: time,
    spec,
    tags: texts,
    size: count('bytes'),
    hash: t.string,
    data: json,
  },
  { name },
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

/** A header, every version. */
export const header: t.Type<Header, unknown> = closed(
  'a header',
  { epoch: t.string, origin: t.string, floor: sequence },
  {},
);

/** What controllers remember of one instance, by controller; first version. */
export const runtime = fields;

/** A record of a table that is its owner's, first version. Its owner says what it is. */
export const ownersRecord = json;

/** What is written of a request. */
export type StoredRequest = AskedRequest & {
  /** Its event, or where it has none, the one that comes next. */
  readonly sequence: number;
  /** Absent where its event tells it. */
  readonly outcome?: RequestOutcome;
};

const outcome = t.union(
  [
    wireObject('an instance', { instance: required('instance', wireInstance) }),
    wireObject('a snapshot', { snapshot: required('snapshot', wireSnapshot) }),
    wireObject('a failure', { error: required('error', wireError) }),
  ],
  'an outcome',
);

/** A request, first version. */
export const request: t.Type<StoredRequest, unknown> = wireObject('a request', {
  by: required('by', t.string),
  requestId: required('request_id', t.string),
  fingerprint: required('fingerprint', t.string),
  sequence: required('sequence', sequence),
  outcome: optional('outcome', outcome),
});

/** The place of a request, first version. */
export const place = count('a place');

/** How many events have a spec, first version. */
export const uses = count('a count');

/** How far a consumer came, first version. */
export const cursor = sequence;
