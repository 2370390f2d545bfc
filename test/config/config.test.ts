import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decodeConfig, describeConfigErrors } from '../../src/config/config.js';

const defaults = {
  autoStandby: { maxConcurrent: 16 },
  http: {
    listenAddress: '127.0.0.1',
    port: 4973,
    maxRequestsPerSecond: 10_000,
    maxConnections: 10_000,
    maxStreams: 5_000,
    drainMs: 10_000,
  },
  instances: {
    lifecycleEventBufferSize: 256,
    maxRequestBytes: 2 ** 20,
    launchTimeoutMs: 300_000,
    maxWaitTimeoutMs: 300_000,
  },
  metrics: { listenAddress: '127.0.0.1', port: 9464 },
  serve: { process: true, qemu: false },
  storage: { logMaxAgeMs: 604_800_000 },
};

const faults = (value: unknown): unknown => {
  const decoded = decodeConfig(value);
  return E.isLeft(decoded) ? decoded.left : 'no fault';
};

test.each([
  [{}],
  [{ auto_standby: {}, instances: {}, metrics: {}, storage: {} }],
  [{ instances: null, metrics: null, storage: null }],
  [{ instances: undefined, metrics: { port: undefined } }],
])('what is left open has its default: %p', (value) => {
  expect(decodeConfig(value)).toStrictEqual(E.right(defaults));
});

test('what is said takes the place of its default alone', () => {
  expect(decodeConfig({ metrics: { port: 80 } })).toStrictEqual(
    E.right({ ...defaults, metrics: { listenAddress: '127.0.0.1', port: 80 } }),
  );
  expect(
    decodeConfig({
      auto_standby: { max_concurrent: 3 },
      instances: { lifecycle_event_buffer_size: 1, max_wait_timeout: '596h' },
      http: {
        ...{ listen_address: '0.0.0.0', port: 80, secret: 's'.repeat(32), secret_file: '/run/secret' },
        ...{ max_requests_per_second: 1, max_connections: 2, max_streams: 3, drain_timeout: '0s' },
      },
      metrics: { listen_address: '::1', port: 65535 },
      serve: { data_dir: 'data', process: false, qemu: true },
      storage: { log_max_events: 7, log_max_age: '1h30m', log_max_bytes: 9 },
    }),
  ).toStrictEqual(
    E.right({
      autoStandby: { maxConcurrent: 3 },
      instances: {
        lifecycleEventBufferSize: 1,
        ...{ maxRequestBytes: 2 ** 20, launchTimeoutMs: 300_000, maxWaitTimeoutMs: 2_145_600_000 },
      },
      http: {
        ...{ listenAddress: '0.0.0.0', port: 80, secret: 's'.repeat(32), secretFile: '/run/secret' },
        ...{ maxRequestsPerSecond: 1, maxConnections: 2, maxStreams: 3, drainMs: 0 },
      },
      metrics: { listenAddress: '::1', port: 65535 },
      serve: { dataDir: 'data', process: false, qemu: true },
      storage: { logMaxEvents: 7, logMaxAgeMs: 5_400_000, logMaxBytes: 9 },
    }),
  );
});

test('a configuration is frozen to its depths', () => {
  const config = E.getOrElseW(() => undefined)(decodeConfig({ metrics: { port: 80 } }));
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.values(config ?? {}).map(Object.isFrozen)).not.toContain(false);
});

const size = 'number of events (a whole number from 1 to 16777216)';
const most = 'number of instances (a whole number from 1 to 1024)';
const port = 'TCP port (a whole number from 1 to 65535)';
const age = 'age (a duration such as 1h30m, from 1s to 87600h)';
const address = 'an IP address or a host name';

test.each<[unknown, string, string, string]>([
  [
    { http: { secret: 'too short' } },
    ...(['http.secret', 'a text of 9 characters', 'a secret of 32 characters or more'] as const),
  ],
  [{ serve: { qemu: 'yes' } }, 'serve.qemu', "'yes'", 'true or false'],
  [undefined, '', 'nothing', 'sections (auto_standby, http, instances, metrics, serve, storage)'],
  [null, '', 'null', 'sections (auto_standby, http, instances, metrics, serve, storage)'],
  [[], '', '[]', 'sections (auto_standby, http, instances, metrics, serve, storage)'],
  ['metrics', '', "'metrics'", 'sections (auto_standby, http, instances, metrics, serve, storage)'],
  [{ metrics: [] }, 'metrics', '[]', 'settings of metrics'],
  [{ instances: 256 }, 'instances', '256', 'settings of instances'],
  [
    { metric: {} },
    'metric',
    '{}',
    'another key, perhaps metrics; known are auto_standby, http, instances, metrics, serve, storage',
  ],
  [
    { metrics: { Port: 1 } },
    'metrics.Port',
    'a number',
    'another key, perhaps port; known are listen_address, port',
  ],
  [
    { metrics: { listenAddress: 1 } },
    'metrics.listenAddress',
    'a number',
    'another key, perhaps listen_address; known are listen_address, port',
  ],
  [
    { 'metrics.port': 1 },
    "['metrics.port']",
    'a number',
    'another key; known are auto_standby, http, instances, metrics, serve, storage',
  ],
  [
    JSON.parse('{"__proto__":{"metrics":{}}}'),
    '__proto__',
    'an object with 1 key',
    'another key; known are auto_standby, http, instances, metrics, serve, storage',
  ],
  [
    { instances: { max_wait_timeout: '597h' } },
    'instances.max_wait_timeout',
    "'597h'",
    'timeout (a duration such as 1h30m, from 1s to 596h)',
  ],
  [{ auto_standby: { max_concurrent: 0 } }, 'auto_standby.max_concurrent', '0', most],
  [{ auto_standby: { max_concurrent: 1_025 } }, 'auto_standby.max_concurrent', '1025', most],
  [{ instances: { lifecycle_event_buffer_size: 0 } }, 'instances.lifecycle_event_buffer_size', '0', size],
  [{ instances: { lifecycle_event_buffer_size: -1 } }, 'instances.lifecycle_event_buffer_size', '-1', size],
  [{ instances: { lifecycle_event_buffer_size: 1.5 } }, 'instances.lifecycle_event_buffer_size', '1.5', size],
  [
    { instances: { lifecycle_event_buffer_size: 2 ** 24 + 1 } },
    'instances.lifecycle_event_buffer_size',
    '16777217',
    size,
  ],
  [
    { instances: { lifecycle_event_buffer_size: null } },
    'instances.lifecycle_event_buffer_size',
    'null',
    size,
  ],
  [{ storage: { log_max_events: 0 } }, 'storage.log_max_events', '0', size],
  [
    { storage: { log_max_bytes: 0 } },
    'storage.log_max_bytes',
    '0',
    'number of bytes (a whole number from 1 to 1099511627776)',
  ],
  [{ storage: { log_max_age: '7d' } }, 'storage.log_max_age', "'7d'", age],
  [{ storage: { log_max_age: '999ms' } }, 'storage.log_max_age', "'999ms'", age],
  [{ storage: { log_max_age: 60 } }, 'storage.log_max_age', '60', age],
  [{ metrics: { port: 0 } }, 'metrics.port', '0', port],
  [{ metrics: { port: 65536 } }, 'metrics.port', '65536', port],
  [{ metrics: { port: '80' } }, 'metrics.port', "'80'", port],
  [{ metrics: { listen_address: 1 } }, 'metrics.listen_address', '1', address],
])('a fault tells its path, what was found, and what was expected: %j', (value, path, found, expected) => {
  expect(faults(value)).toEqual([{ path, found, expected }]);
});

test('all faults are told at once, a line for each', () => {
  const decoded = decodeConfig({
    instances: { lifecycle_event_buffer_size: '256' },
    metrics: { port: 0 },
    more: 1,
  });
  expect(E.isLeft(decoded) && describeConfigErrors(decoded.left)).toBe(
    [
      'more: found a number, expected another key; known are auto_standby, http, instances, metrics, serve, storage',
      `instances.lifecycle_event_buffer_size: found '256', expected ${size}`,
      `metrics.port: found 0, expected ${port}`,
    ].join('\n'),
  );
});

test.each([
  '127.0.0.1',
  '0.0.0.0',
  '::',
  '::1',
  'fe80::1%eth0',
  'localhost',
  'a',
  'metrics.example.com',
  '4chan.org',
  'x1.2y',
  'A-B.C',
  `${'a'.repeat(63)}.b`,
])('listens on %s', (listen_address) => {
  expect(faults({ metrics: { listen_address } })).toBe('no fault');
});

test.each([
  '',
  ' ',
  '127.0.0.256',
  '1.2.3',
  '1',
  'a.1',
  '-a',
  'a-',
  'a..b',
  '.a',
  'a.',
  'a b',
  'a\n',
  'a\0b',
  'a/b',
  '[::1]',
  '127.0.0.1:80',
  'http://a',
  'ä',
  'a_b',
  `${'a'.repeat(64)}.b`,
  Array(128).fill('a').join('.'),
])('does not listen on %j', (listen_address) => {
  expect(faults({ metrics: { listen_address } })).toEqual([
    expect.objectContaining({ path: 'metrics.listen_address', expected: address }),
  ]);
});

test('every unknown key is named, beside whatever is right', () => {
  const known = ['instances', 'metrics', 'storage', 'listen_address', 'port'];
  const unknownKey = fc.string({ minLength: 1 }).filter((key) => !known.includes(key));
  const unknownKeys = fc.uniqueArray(unknownKey, { maxLength: 5 });
  fc.assert(
    fc.property(unknownKeys, unknownKeys, (sections, keys) => {
      const entries = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 1]));
      const value = { ...entries(sections), metrics: { port: 80, ...entries(keys) } };
      const decoded = decodeConfig(value);
      expect(E.isLeft(decoded) ? decoded.left.length : 0).toBe(
        Object.keys(entries(sections)).length + Object.keys(entries(keys)).length,
      );
      const paths = E.isLeft(decoded) ? decoded.left.map(({ path }) => path) : [];
      for (const key of keys.filter((name) => /^\w+$/.test(name))) expect(paths).toContain(`metrics.${key}`);
      for (const key of sections.filter((name) => /^\w+$/.test(name))) expect(paths).toContain(key);
    }),
  );
});

test('nothing that is decoded throws', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true }), (value) => {
      for (const whole of [value, { metrics: value }, { instances: value }, { metrics: { port: value } }]) {
        const decoded = decodeConfig(whole);
        if (E.isLeft(decoded)) expect(decoded.left.length).toBeGreaterThan(0);
      }
    }),
  );
});
