import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decodeEnvironment } from '../../src/config/environment.js';

const size = 'INSTANCES__LIFECYCLE_EVENT_BUFFER_SIZE';
const unknown = `no such variable; known are ${size}, METRICS__LISTEN_ADDRESS, METRICS__PORT, STORAGE__LOG_MAX_EVENTS, STORAGE__LOG_MAX_AGE, STORAGE__LOG_MAX_BYTES`;
const port = 'TCP port (a whole number from 1 to 65535)';

test('there is a variable for each key: its name in upper case, and __ between section and key', () => {
  expect(
    decodeEnvironment({
      [size]: '1024',
      METRICS__LISTEN_ADDRESS: 'localhost',
      METRICS__PORT: '80',
      STORAGE__LOG_MAX_EVENTS: '7',
      STORAGE__LOG_MAX_AGE: '1h30m',
    }),
  ).toStrictEqual(
    E.right({
      instances: { lifecycle_event_buffer_size: 1024 },
      metrics: { listen_address: 'localhost', port: 80 },
      storage: { log_max_events: 7, log_max_age: '1h30m' },
    }),
  );
});

test.each([
  [{}],
  [{ METRICS__PORT: '' }],
  [{ METRICS__PORT: undefined }],
  [
    {
      PATH: '/bin',
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
  ['METRICS__PORT', '0', "'0'", port],
  ['METRICS__PORT', '65536', "'65536'", port],
  ['METRICS__PORT', '080', "'080'", port],
  ['METRICS__PORT', ' 80', "' 80'", port],
  ['METRICS__PORT', '80\n', "'80\\n'", port],
  ['METRICS__PORT', '+80', "'+80'", port],
  ['METRICS__PORT', '-80', "'-80'", port],
  ['METRICS__PORT', '8e1', "'8e1'", port],
  ['METRICS__PORT', '80.0', "'80.0'", port],
  ['METRICS__PORT', '0x50', "'0x50'", port],
  ['METRICS__PORT', '٣', "'٣'", port],
  ['METRICS__PORT', 'NaN', "'NaN'", port],
  ['METRICS__PORT', 'null', "'null'", port],
  ['METRICS__LISTEN_ADDRESS', '1', "'1'", 'an IP address or a host name'],
  [size, '16777217', "'16777217'", 'number of events (a whole number from 1 to 16777216)'],
  [size, '9'.repeat(400), `'${'9'.repeat(78)}…`, 'number of events (a whole number from 1 to 16777216)'],
  ['STORAGE__LOG_MAX_AGE', '7d', "'7d'", 'age (a duration such as 1h30m, from 1s to 87600h)'],
  ['METRICS__', 'x', "'x'", unknown],
  ['METRICS__PROT', '80', "'80'", unknown],
  ['METRICS__port', '80', "'80'", unknown],
  ['METRICS____PROTO__', '80', "'80'", unknown],
  ['METRICS__PORT__X', '80', "'80'", unknown],
  ['INSTANCES__METRICS__PORT', '80', "'80'", unknown],
])('a fault names its variable: %s=%j', (path, text, found, expected) => {
  expect(decodeEnvironment({ [path]: text })).toEqual(E.left([{ path, found, expected }]));
});

test('all faults are told at once', () => {
  const decoded = decodeEnvironment({
    METRICS__PORT: '0',
    METRICS__LISTEN_ADDRESS: 'localhost',
    METRICS__X: '1',
  });
  expect(E.isLeft(decoded) && decoded.left.map(({ path }) => path)).toEqual(['METRICS__PORT', 'METRICS__X']);
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
      const name = `METRICS__${key}`;
      const decoded = decodeEnvironment({ ...env, [name]: text });
      if (text !== '' && key !== 'PORT' && key !== 'LISTEN_ADDRESS') expect(E.isLeft(decoded)).toBe(true);
    }),
  );
  expect(Object.keys(Object.prototype)).toEqual([]);
});
