import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import { errorClasses, type InstanceError, isInstanceError } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { states } from '../../lifecycle/state.js';
import { cursor } from '../cursor.js';
import { isRecord } from '../closed.js';
import { oneOf } from '../scalars.js';
import { optional, required, wireObject } from './wireObject.js';

type Tag = InstanceError['_tag'];

const faults = t.readonlyArray(
  wireObject('a fault', {
    path: required('path', t.string),
    found: required('found', t.string),
    expected: required('expected', t.string),
  }),
  'faults',
);
const texts = t.readonlyArray(t.string, 'texts');
const instanceId = required('instance_id', t.string);
const idOrName = required('id_or_name', t.string);
const verb = required('verb', t.string);
const reason = required('reason', t.string);
const consumer = required('consumer', t.string);
const differences = required('differences', faults);

/** What each error says besides its tag, its message and its cause. */
const fieldsOf = {
  InvalidRequest: { faults: required('faults', faults) },
  InstanceNotFound: { idOrName },
  AmbiguousName: { idOrName, matches: required('matches', texts) },
  NameTaken: { taken: required('taken', t.string) },
  Conflict: {
    instanceId,
    revision: required('revision', t.number),
    expectedRevision: required('expected_revision', t.number),
  },
  InvalidState: {
    instanceId,
    state: required('state', oneOf(states)),
    verb,
    remedy: required('remedy', t.string),
  },
  NotSupported: { driver: required('driver', t.string), verb, reason },
  LaunchFailed: { reason },
  ExecFailed: { reason, code: required('code', t.union([t.literal(126), t.literal(127)], '126 or 127')) },
  FileFailed: { verb, path: required('path', t.string), code: required('code', t.string) },
  DriverFailed: { instanceId, verb },
  LogNotFound: { source: required('source', t.string), sources: required('sources', texts) },
  LogUnreadable: { path: required('path', t.string), found: required('found', t.string) },
  SubscriberLagged: { capacity: required('capacity', t.number), missed: required('missed', t.number) },
  SnapshotNotFound: { snapshotId: required('snapshot_id', t.string) },
  WebhookNotFound: { webhookId: required('webhook_id', t.string) },
  SnapshotDamaged: { snapshotId: required('snapshot_id', t.string), differences },
  SnapshotIncompatible: { differences },
  StoreFailed: { reason },
  DataDirLocked: {
    dataDir: required('data_dir', t.string),
    holder: optional(
      'holder',
      wireObject('a holder', {
        pid: required('pid', t.number),
        host: required('host', t.string),
        since: required('since', t.number),
      }),
    ),
  },
  CursorExpired: {
    cursor: required('cursor', cursor),
    oldest: required('oldest', t.number),
    epoch: required('epoch', t.string),
  },
  ManagerClosed: {},
  StateUnreadable: { instanceId },
  ConsumerTaken: { consumer },
  TooManyConsumers: { consumer, limit: required('limit', t.number) },
  ApiFailed: { reason, status: optional('status', t.number), code: optional('code', t.string) },
} as const satisfies Record<Tag, object>;

const forms = new Map<string, t.Type<InstanceError, object>>(
  Object.entries(fieldsOf).map(([tag, keys]) => [
    tag,
    wireObject(tag, keys) as unknown as t.Type<InstanceError, object>,
  ]),
);

/** How deep causes may lie in one another; deeper ones are left out. */
const mostCauses = 10;

const encode = (error: Error, depth = 0): Readonly<Record<string, unknown>> => {
  const fields = isInstanceError(error) ? forms.get(error._tag)?.encode(error) : undefined;
  const tag = isInstanceError(error) ? error._tag : 'Error';
  const { cause } = error;
  return {
    ...fields,
    _tag: tag,
    message: error.message,
    ...(cause !== undefined && depth < mostCauses && { cause: encode(errorOf(cause), depth + 1) }),
  };
};

/** What is thrown may be anything. */
const errorOf = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(messageOf(thrown)));

const validate = (value: unknown, context: t.Context, depth = 0): t.Validation<Error> => {
  if (!isRecord(value)) return t.failure(value, context);
  const { _tag: tag, message, cause } = value;
  if (typeof message !== 'string') {
    return t.failure(message, t.appendContext(context, 'message', t.string, message));
  }
  const within: t.Validation<ErrorOptions | undefined> =
    cause === undefined || depth === mostCauses
      ? t.success(undefined)
      : pipe(
          validate(cause, t.appendContext(context, 'cause', wireError, cause), depth + 1),
          E.map((decoded) => ({ cause: decoded })),
        );
  if (E.isLeft(within)) return within;
  const form = forms.get(String(tag));
  // Also one that is newer than we are: its message says it.
  if (form === undefined) return t.success(new Error(message, within.right));
  return pipe(
    form.validate(value, context),
    E.map((fields) => {
      const Class = errorClasses[tag as Tag] as new (fields: object, options?: ErrorOptions) => Error;
      return new Class(fields, within.right);
    }),
  );
};

/**
 * The wire form of a failure: `_tag`, `message`, the fields of the tag, and the `cause` in the same form. What is none of ours is
 * written as `Error`, with its message.
 */
export const wireError: t.Type<Error, unknown> = new t.Type<Error, unknown>(
  'an error',
  (value): value is Error => value instanceof Error,
  validate,
  (error) => encode(error),
);
