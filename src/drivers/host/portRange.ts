import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { port } from '../../codecs/scalars.js';

/** From where to where ports are picked, both included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

const anyRange = closed('a range of ports', { from: port, to: port }, {});

/** Decodes a {@link PortRange}. */
export const portRange: t.Type<PortRange, unknown> = new t.Type(
  'a range of ports, from the lower to the higher',
  (value): value is PortRange => anyRange.is(value) && value.from <= value.to,
  (value, context) =>
    pipe(
      anyRange.validate(value, context),
      E.chain((range) => (range.from <= range.to ? t.success(range) : t.failure(value, context))),
    ),
  t.identity,
);
