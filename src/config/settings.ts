import type * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { isIP } from 'node:net';
import { closed } from '../codecs/closed.js';
import { decode } from '../codecs/decode.js';
import { integer, port, text } from '../codecs/scalars.js';
import type { Fault } from '../lifecycle/errors.js';

/** Settings as they are written, by section; what is left open is absent. */
export interface Settings {
  readonly instances?: t.TypeOf<typeof sections.instances>;
  readonly metrics?: t.TypeOf<typeof sections.metrics>;
}

const hostName =
  /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

const address = text('an IP address or a host name', (value) => isIP(value) !== 0 || hostName.test(value));

/** Every key that there is, by section, with the codec of its value. */
export const keys = {
  instances: { lifecycle_event_buffer_size: integer('number of events', 1, 2 ** 24) },
  metrics: { listen_address: address, port },
} as const;

const sections = {
  instances: closed('settings of instances', {}, keys.instances),
  metrics: closed('settings of metrics', {}, keys.metrics),
} as const;

/** A section whose keys are all commented out is read as null. */
const orEmpty = <A>(section: t.Decoder<unknown, A> & t.Mixed): t.Decoder<unknown, A> & t.Mixed =>
  new t.Type<A, unknown>(
    section.name,
    (value): value is A => section.is(value),
    (value, context) => section.validate(value ?? {}, context) as t.Validation<A>,
    t.identity,
  );

const settings: t.Decoder<unknown, Settings> = closed(
  `sections (${Object.keys(sections).join(', ')})`,
  {},
  { instances: orEmpty(sections.instances), metrics: orEmpty(sections.metrics) },
);

/** Decodes settings as they stand in a file. */
export const decodeSettings = (value: unknown): E.Either<readonly Fault[], Settings> =>
  decode(settings, value);
