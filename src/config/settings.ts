import type * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { isIP } from 'node:net';
import { closed } from '../codecs/closed.js';
import { decode } from '../codecs/decode.js';
import { duration } from '../codecs/duration.js';
import { integer, port, text } from '../codecs/scalars.js';
import type { Fault } from '../lifecycle/errors.js';

/** The last label is no number, so that a mistyped IP address is no host name. */
const hostName =
  /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

const address = text('an IP address or a host name', (value) => isIP(value) !== 0 || hostName.test(value));

/** Every key that there is, by section, with the codec of its value. */
export const keys = {
  auto_standby: { max_concurrent: integer('number of instances', 1, 1_024) },
  instances: {
    lifecycle_event_buffer_size: integer('number of events', 1, 2 ** 24),
    max_request_bytes: integer('bytes', 1_024, 2 ** 30),
    launch_timeout: duration('timeout', '0s', '24h'),
    max_wait_timeout: duration('timeout', '1s', '596h'),
  },
  metrics: { listen_address: address, port },
  storage: {
    log_max_events: integer('number of events', 1, 2 ** 24),
    log_max_age: duration('age', '1s', '87600h'),
    log_max_bytes: integer('number of bytes', 1, 2 ** 40),
  },
} as const;

/** Takes null too: as such a section is read whose keys are all commented out. */
function section<Keys extends t.Props>(name: string, codecs: Keys) {
  const codec = closed(`settings of ${name}`, {}, codecs);
  return new t.Type(
    codec.name,
    codec.is,
    (value, context) => codec.validate(value ?? {}, context),
    codec.encode,
  );
}

const settings = closed(
  `sections (${Object.keys(keys).join(', ')})`,
  {},
  {
    auto_standby: section('auto_standby', keys.auto_standby),
    instances: section('instances', keys.instances),
    metrics: section('metrics', keys.metrics),
    storage: section('storage', keys.storage),
  },
);

/** Settings as they are written, by section; what is left open is absent. */
export type Settings = t.TypeOf<typeof settings>;

/** Decodes settings as they stand in a file. */
export const decodeSettings = (value: unknown): E.Either<readonly Fault[], Settings> =>
  decode(settings, value);
