import * as t from 'io-ts';
import type { BaseSpec } from '../lifecycle/instance.js';
import { autoStandby, wireAutoStandby } from './policies/autoStandby.js';
import { healthCheck, wireHealthCheck } from './policies/healthCheck.js';
import { restartPolicy, wireRestartPolicy } from './policies/restartPolicy.js';
import { record } from './record.js';
import { cText, integer, longestTimerMs, variableName } from './scalars.js';
import { secret } from './secret.js';
import { anyTags } from './tags.js';
import { closed, isRecord } from './closed.js';
import { id } from './id.js';
import { optional, required } from './wire/wireObject.js';
import { wireTime } from './wire/wireTime.js';

const heldSecrets = closed('held secrets', { version: id, names: t.readonlyArray(t.string) }, {});

const texts = record('an object of texts', t.string, t.string);

const mostTags = 50;

/** Decodes labels to keep. */
export const tags = new t.Type<Readonly<Record<string, string>>, unknown>(
  `tags (an object of at most ${String(mostTags)} texts)`,
  anyTags.is,
  (value, context) =>
    isRecord(value) && Object.keys(value).length > mostTags
      ? t.failure(`${String(Object.keys(value).length)} tags`, context)
      : anyTags.validate(value, context),
  t.identity,
);

/**
 * The fields of a spec that are no driver's, and that can be changed: how each is asked for, and its wire form. Nothing else in the house
 * lists them. A field that is decoded to `undefined` is absent.
 */
export const commonFields = {
  env: {
    asked: secret(record('variables (an object of texts)', variableName, cText)),
    wire: required('env', secret(texts)),
  },
  secrets: {
    asked: secret(record('secrets (an object of texts)', variableName, cText)),
    wire: optional('secrets', heldSecrets),
  },
  tags: { asked: tags, wire: required('tags', texts) },
  runTimeoutMs: {
    asked: integer('milliseconds', 0, longestTimerMs),
    wire: optional('run_timeout_ms', t.number),
  },
  autoStandby: { asked: autoStandby, wire: optional('auto_standby', wireAutoStandby) },
  restartPolicy: { asked: restartPolicy, wire: optional('restart_policy', wireRestartPolicy) },
  healthCheck: { asked: healthCheck, wire: optional('health_check', wireHealthCheck) },
  expiresAt: {
    asked: integer('Unix time in milliseconds', 0, 8.64e15),
    wire: optional('expires_at', wireTime),
  },
} as const satisfies Readonly<Record<Exclude<keyof BaseSpec, 'driver' | 'image'>, object>>;

type CommonFields = typeof commonFields;

/** One side of the table, by field. */
export const commonFieldsAs = <Side extends 'asked' | 'wire'>(
  side: Side,
): { readonly [Field in keyof CommonFields]: CommonFields[Field][Side] } =>
  Object.fromEntries(Object.entries(commonFields).map(([field, sides]) => [field, sides[side]])) as never;
