import * as t from 'io-ts';
import { boundedList } from '../codecs/boundedList.js';
import { oneOrSeveral } from '../codecs/oneOrSeveral.js';
import { variableName, cText, integer, oneOf } from '../codecs/scalars.js';
import { name as nameCodec } from '../codecs/name.js';
import { nothing } from '../codecs/nothing.js';
import { record } from '../codecs/record.js';
import { secret } from '../codecs/secret.js';
import { tags as tagsCodec } from '../codecs/commonFields.js';
import { wireDuration } from '../codecs/wire/wireDuration.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import { described, type Described } from './described.js';

/** Values that stand in many requests. */
export const name = described(nameCodec, {
  type: 'string',
  maxLength: 63,
  pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$',
});
export const text = described(t.string, { type: 'string' });
export const flag = described(t.boolean, { type: 'boolean' });
export const duration = described(wireDuration, {
  type: 'string',
  description: 'A duration as Go writes it',
  examples: ['1h30m'],
});
export const time = described(wireTime, { type: 'string', format: 'date-time' });
export const texts = described(secret(t.readonlyArray(t.string, 'a list of texts')), {
  type: 'array',
  items: { type: 'string' },
});
export const tags = described(tagsCodec, {
  type: 'object',
  maxProperties: 50,
  additionalProperties: { type: 'string' },
});
export const env = described(secret(record('variables (an object of texts)', variableName, cText)), {
  type: 'object',
  additionalProperties: { type: 'string' },
});
export const targetState = choice(['Stopped', 'Standby', 'Running']);
export const kind = choice(['Standby', 'Stopped']);

/** One of several texts. */
export function choice<const Values extends readonly string[]>(values: Values): Described<Values[number]> {
  return described(oneOf(values), { type: 'string', enum: values });
}

/** A whole number. */
export const whole = (what: string, min: number, max: number): Described<number> =>
  described(integer(what, min, max), { type: 'integer', minimum: min, maximum: max });

/** A field of hypeman's that has no counterpart here: what asks for it is refused rather than passed over. */
export const none = (why: string): Described<undefined> =>
  described(nothing<undefined>(`nothing (${why})`), { not: {}, description: `Refused: ${why}` });

/** One of several texts, or a list of such. */
export function several<const Values extends readonly string[]>(
  what: string,
  values: Values,
): Described<Values[number] | readonly Values[number][]> {
  const one = oneOf(values);
  const list = boundedList(`${what} (1 to ${String(values.length)})`, one, 1, values.length);
  const schema = { type: 'string', enum: values };
  return described(oneOrSeveral(one, list), { oneOf: [schema, { type: 'array', items: schema }] });
}
