import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decodeEnvironment } from '../../src/config/environment.js';

const size = 'RX_INSTANCES__INSTANCES__LIFECYCLE_EVENT_BUFFER_SIZE';
const unknown = `no such variable; known are RX_INSTANCES__AUTO_STANDBY__MAX_CONCURRENT, RX_INSTANCES__HTTP__LISTEN_ADDRESS, RX_INSTANCES__HTTP__PORT, RX_INSTANCES__HTTP__SECRET, RX_INSTANCES__HTTP__SECRET_FILE, RX_INSTANCES__HTTP__MAX_REQUESTS_PER_SECOND, RX_INSTANCES__HTTP__MAX_CONNECTIONS, RX_INSTANCES__HTTP__MAX_STREAMS, RX_INSTANCES__HTTP__DRAIN_TIMEOUT, ${size}, RX_INSTANCES__INSTANCES__MAX_REQUEST_BYTES, RX_INSTANCES__INSTANCES__LAUNCH_TIMEOUT, RX_INSTANCES__INSTANCES__MAX_WAIT_TIMEOUT, RX_INSTANCES__METRICS__LISTEN_ADDRESS, RX_INSTANCES__METRICS__PORT, RX_INSTANCES__SERVE__DATA_DIR, RX_INSTANCES__SERVE__PROCESS, RX_INSTANCES__SERVE__QEMU, RX_INSTANCES__STORAGE__LOG_MAX_EVENTS, RX_INSTANCES__STORAGE__LOG_MAX_AGE, RX_INSTANCES__STORAGE__LOG_MAX_BYTES`;
const port = 'TCP port (a whole number from 1 to 65535)';

test('there is a variable for each key: its name in upper case, and __ between section and key', () => {
  expect(
    decodeEnvironment({
      [size]: '1024',
      RX_INSTANCES__METRICS__LISTEN_ADDRESS: 'localhost',
      RX_INSTANCES__METRICS__PORT: '80',
      RX_INSTANCES__STORAGE__LOG_MAX_EVENTS: '7',
      RX_INSTANCES__STORAGE__LOG_MAX_AGE: '1h30m',
      RX_INSTANCES__HTTP__SECRET: '0'.repeat(32),
      RX_INSTANCES__SERVE__QEMU: 'true',
    }),
  ).toStrictEqual(
    E.right({
      instances: { lifecycle_event_buffer_size: 1024 },
      http: { secret: '0'.repeat(32) },
      metrics: { listen_address: 'localhost', port: 80 },
      serve: { qemu: true },
      storage: { log_max_events: 7, log_max_age: '1h30m' },
    }),
  );
});

test.each([
  [{}],
  [{ RX_INSTANCES__METRICS__PORT: '' }],
  [{ RX_INSTANCES__METRICS__PORT: undefined }],
  [
    {
      PATH: '/bin',
      STORAGE__CONNECTION_STRING: 'x',
      STORAGE__LOG_MAX_EVENTS: 'x',
      METRICS__PORT: 'x',
      RX_INSTANCES: 'x',
      RX_INSTANCES_: 'x',
      rx_instances__METRICS__PORT: 'x',
      METRICS_PORT: 'x',
      METRICS: 'x',
      MY_METRICS__PORT: 'x',
      metrics__port: 'x',
      INSTANCES_: 'x',
    },
  ],
])('empty variables and those of others are passed over: %p', (env) => {
  expect(decodeEnvironment(env)).toStrictEqual(E.right({}));
});

test.each([
  ['RX_INSTANCES__METRICS__PORT', '0', "'0'", port],
  ['RX_INSTANCES__METRICS__PORT', '65536', "'65536'", port],
  ['RX_INSTANCES__METRICS__PORT', '080', "'080'", port],
  ['RX_INSTANCES__METRICS__PORT', ' 80', "' 80'", port],
  ['RX_INSTANCES__METRICS__PORT', '80\n', "'80\\n'", port],
  ['RX_INSTANCES__METRICS__PORT', '+80', "'+80'", port],
  ['RX_INSTANCES__METRICS__PORT', '-80', "'-80'", port],
  ['RX_INSTANCES__METRICS__PORT', '8e1', "'8e1'", port],
  ['RX_INSTANCES__METRICS__PORT', '80.0', "'80.0'", port],
  ['RX_INSTANCES__METRICS__PORT', '0x50', "'0x50'", port],
  ['RX_INSTANCES__METRICS__PORT', '٣', "'٣'", port],
  ['RX_INSTANCES__METRICS__PORT', 'NaN', "'NaN'", port],
  ['RX_INSTANCES__METRICS__PORT', 'null', "'null'", port],
  ['RX_INSTANCES__METRICS__LISTEN_ADDRESS', '1', "'1'", 'an IP address or a host name'],
  [size, '16777217', "'16777217'", 'number of events (a whole number from 1 to 16777216)'],
  [size, '9'.repeat(400), `'${'9'.repeat(78)}…`, 'number of events (a whole number from 1 to 16777216)'],
  ['RX_INSTANCES__STORAGE__LOG_MAX_AGE', '7d', "'7d'", 'age (a duration such as 1h30m, from 1s to 87600h)'],
  ['RX_INSTANCES__SERVE__QEMU', '1', "'1'", 'true or false'],
  ['RX_INSTANCES__HTTP__SECRET', 'short', 'a text of 5 characters', 'a secret of 32 characters or more'],
  ['RX_INSTANCES__METRICS__', 'x', 'a text of 1 character', unknown],
  ['RX_INSTANCES__METRICS__PROT', '80', 'a text of 2 characters', unknown],
  ['RX_INSTANCES__METRICS__port', '80', 'a text of 2 characters', unknown],
  ['RX_INSTANCES__METRICS____PROTO__', '80', 'a text of 2 characters', unknown],
  ['RX_INSTANCES__METRICS__PORT__X', '80', 'a text of 2 characters', unknown],
  ['RX_INSTANCES__STORAGE__PASSWORD', '80', 'a text of 2 characters', unknown],
  ['RX_INSTANCES__', '80', 'a text of 2 characters', unknown],
])('a fault names its variable: %s=%j', (path, text, found, expected) => {
  expect(decodeEnvironment({ [path]: text })).toEqual(E.left([{ path, found, expected }]));
});

test('all faults are told at once', () => {
  const decoded = decodeEnvironment({
    RX_INSTANCES__METRICS__PORT: '0',
    RX_INSTANCES__METRICS__LISTEN_ADDRESS: 'localhost',
    RX_INSTANCES__METRICS__X: '1',
  });
  expect(E.isLeft(decoded) && decoded.left.map(({ path }) => path)).toEqual([
    'RX_INSTANCES__METRICS__PORT',
    'RX_INSTANCES__METRICS__X',
  ]);
});

test('a number is read as what it says', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 25), max: 2 ** 25 }), (number) => {
      const decoded = decodeEnvironment({ [size]: String(number) });
      const expected = number >= 1 && number <= 2 ** 24 ? number : 'a fault';
      expect(E.isLeft(decoded) ? 'a fault' : decoded.right.instances?.lifecycle_event_buffer_size).toBe(
        expected,
      );
    }),
  );
});

test('nothing that an environment can hold throws, and prototypes stay as they are', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), fc.string(), fc.string(), (env, key, text) => {
      const name = `RX_INSTANCES__METRICS__${key}`;
      const decoded = decodeEnvironment({ ...env, [name]: text });
      if (text !== '' && key !== 'PORT' && key !== 'LISTEN_ADDRESS') expect(E.isLeft(decoded)).toBe(true);
    }),
  );
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test('hypeman’s names are read where that is asked for, and nothing else of others', () => {
  const env = {
    METRICS__PORT: '80',
    STORAGE__CONNECTION_STRING: 'x',
    METRICS__LISTEN_ADDRESS: 'one',
    RX_INSTANCES__METRICS__LISTEN_ADDRESS: 'other',
  };
  expect(decodeEnvironment(env, { bareVariables: true })).toStrictEqual(
    E.right({ metrics: { port: 80, listen_address: 'other' } }),
  );
  expect(decodeEnvironment({ STORAGE__LOG_MAX_AGE: 'secret' }, { bareVariables: true })).toEqual(
    E.left([
      {
        path: 'STORAGE__LOG_MAX_AGE',
        found: 'a text of 6 characters',
        expected: 'age (a duration such as 1h30m, from 1s to 87600h)',
      },
    ]),
  );
});
