import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import type { Cursor } from '../lifecycle/event.js';
import { integer } from './scalars.js';

const place = t.type(
  { epoch: t.string, sequence: integer('sequence', 0, Number.MAX_SAFE_INTEGER) },
  'a cursor (an event, or the epoch and sequence of one)',
);

/** Decodes a place in an event log from whatever has an epoch and a sequence, such as an event; the rest is left out. */
export const cursor = new t.Type<Cursor, unknown>(
  place.name,
  place.is,
  (value, context) =>
    pipe(
      place.validate(value, context),
      E.map(({ epoch, sequence }) => ({ epoch, sequence })),
    ),
  t.identity,
);
