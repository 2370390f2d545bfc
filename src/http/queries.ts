import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { anyTags } from '../codecs/tags.js';
import { name as nameCodec } from '../codecs/name.js';
import { states } from '../lifecycle/state.js';
import { described, type Described, describedObject } from './described.js';
import { choice, kind, several, text } from './values.js';

/** Values behind a path are texts. */
const tags = described(anyTags, { type: 'object', additionalProperties: { type: 'string' } });

const flag = as('true or false', { type: 'boolean', default: false }, (value) =>
  value === 'true' ? true : value === 'false' ? false : undefined,
);

const lines = number('lines', 0, 1_000_000, { default: 100 });

/** Of which instances. */
export const instanceFilter = { state: several('states', states), driver: text, tags };

/** What to list; with `watch` also what changes. */
export const listQuery = describedObject('query', {}, { ...instanceFilter, watch: flag });
/** Which log to read, and how. */
export const logQuery = describedObject('query', {}, { tail: lines, follow: flag, source: text });
/** What to wait for. */
export const waitQuery = describedObject('query', { state: choice(states) }, { timeout: text });
/** How to delete. */
export const deleteQuery = describedObject('query', {}, { graceful_shutdown: flag });
/** Which snapshots to list. */
export const snapshotQuery = describedObject(
  'query',
  {},
  { source_instance_id: text, kind, name: described(nameCodec, { type: 'string' }), tags },
);

/** A text that stands for a whole number. */
export function number(
  what: string,
  minimum: number,
  maximum: number,
  more: Described<number>['schema'] = {},
): Described<number> {
  return as(
    `${what} (a whole number from ${String(minimum)} to ${String(maximum)})`,
    { type: 'integer', minimum, maximum, ...more },
    (value) => {
      const read = /^\d{1,7}$/.test(value) ? Number(value) : NaN;
      return read >= minimum && read <= maximum ? read : undefined;
    },
  );
}

/** A text that stands for something else. */
function as<A>(
  expected: string,
  schema: Described<A>['schema'],
  read: (value: string) => A | undefined,
): Described<A> {
  const validate: t.Validate<unknown, A> = (value, context) => {
    const decoded = typeof value === 'string' ? read(value) : undefined;
    return decoded === undefined ? t.failure(value, context) : t.success(decoded);
  };
  const is = (value: unknown): value is A => E.isRight(validate(value, []));
  return described(new t.Type<A, unknown>(expected, is, validate, t.identity), schema);
}
