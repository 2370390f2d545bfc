import type * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { isIP } from 'node:net';
import { closed } from '../codecs/closed.js';
import { decode } from '../codecs/decode.js';
import { duration } from '../codecs/duration.js';
import { cText, integer, port, text } from '../codecs/scalars.js';
import { secret } from '../codecs/secret.js';
import type { Fault } from '../lifecycle/errors.js';

/** The last label is no number, so that a mistyped IP address is no host name. */
const hostName =
  /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

const address = text('an IP address or a host name', (value) => isIP(value) !== 0 || hostName.test(value));

const path = text('a path', (value) => value !== '' && cText.is(value));
const flag = new t.Type<boolean>(
  'true or false',
  t.boolean.is,
  (value, context) => (typeof value === 'boolean' ? t.success(value) : t.failure(value, context)),
  t.identity,
);
const most = (name: string): t.Type<number, number> => integer(name, 1, 1_000_000);

/** Every key that there is, by section, with the codec of its value. */
export const keys = {
  auto_standby: { max_concurrent: integer('number of instances', 1, 1_024) },
  http: {
    listen_address: address,
    port,
    secret: secret(text('a secret of 32 characters or more', (value) => value.length >= 32)),
    secret_file: path,
    max_requests_per_second: most('requests'),
    max_connections: most('connections'),
    max_streams: most('streams'),
    drain_timeout: duration('timeout', '0s', '1h'),
  },
  instances: {
    lifecycle_event_buffer_size: integer('number of events', 1, 2 ** 24),
    max_request_bytes: integer('bytes', 1_024, 2 ** 30),
    launch_timeout: duration('timeout', '0s', '24h'),
    max_wait_timeout: duration('timeout', '1s', '596h'),
  },
  metrics: { listen_address: address, port },
  serve: { data_dir: path, process: flag, qemu: flag },
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
    http: section('http', keys.http),
    instances: section('instances', keys.instances),
    metrics: section('metrics', keys.metrics),
    serve: section('serve', keys.serve),
    storage: section('storage', keys.storage),
  },
);

/** Settings as they are written, by section; what is left open is absent. */
export type Settings = t.TypeOf<typeof settings>;

/** Decodes settings as they stand in a file. */
export const decodeSettings = (value: unknown): E.Either<readonly Fault[], Settings> =>
  decode(settings, value);
