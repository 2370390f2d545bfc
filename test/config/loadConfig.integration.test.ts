import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeConfigErrors } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/loadConfig.js';

const folder = mkdtempSync(join(tmpdir(), 'load-config-'));
const path = join(folder, 'config.yaml');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const load = async (content: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> => {
  writeFileSync(path, content);
  const loaded = await loadConfig(path, env)();
  return E.isRight(loaded) ? loaded.right : describeConfigErrors(loaded.left).replaceAll(path, 'FILE');
};

/** What the settings of a server are where nobody says anything. */
const served = {
  http: {
    ...{ listenAddress: '127.0.0.1', port: 4_973, drainMs: 10_000 },
    ...{ maxRequestsPerSecond: 10_000, maxConnections: 10_000, maxStreams: 5_000 },
  },
  serve: { process: true, qemu: false },
};

test('without a file there is the environment', async () => {
  expect(await loadConfig(undefined, { RX_INSTANCES__METRICS__PORT: '80' })()).toStrictEqual(
    E.right({
      autoStandby: { maxConcurrent: 16 },
      ...served,
      instances: {
        lifecycleEventBufferSize: 256,
        maxRequestBytes: 2 ** 20,
        launchTimeoutMs: 300_000,
        maxWaitTimeoutMs: 300_000,
      },
      metrics: { listenAddress: '127.0.0.1', port: 80 },
      storage: { logMaxAgeMs: 604_800_000 },
    }),
  );
});

test('the environment beats the file, the file beats the defaults, for every set of keys', async () => {
  const keys = [
    { section: 'instances', key: 'lifecycle_event_buffer_size', fallback: 256, inFile: '1', inEnv: '2' },
    { section: 'metrics', key: 'listen_address', fallback: '127.0.0.1', inFile: '::1', inEnv: 'localhost' },
    { section: 'metrics', key: 'port', fallback: 9464, inFile: '80', inEnv: '81' },
    { section: 'storage', key: 'log_max_events', fallback: 'open', inFile: '3', inEnv: '4' },
    { section: 'storage', key: 'log_max_age', fallback: '604800s', inFile: '5s', inEnv: '6s' },
    { section: 'storage', key: 'log_max_bytes', fallback: 'open', inFile: '7', inEnv: '8' },
    { section: 'auto_standby', key: 'max_concurrent', fallback: 16, inFile: '9', inEnv: '10' },
  ];
  const choice = fc.record({ file: fc.boolean(), env: fc.constantFrom('absent', 'empty', 'set') });
  await fc.assert(
    fc.asyncProperty(fc.tuple(choice, choice, choice, choice, choice, choice, choice), async (choices) => {
      const said = keys.map((key, index) => ({ ...key, ...choices[index] }));
      const lines = ['auto_standby', 'instances', 'metrics', 'storage'].flatMap((section) => [
        `${section}:`,
        ...said
          .filter((key) => key.section === section && key.file)
          .map(({ key, inFile }) => `  ${key}: ${inFile}`),
      ]);
      const env = Object.fromEntries(
        said
          .filter((key) => key.env !== 'absent')
          .map((key) => [
            `rx_instances__${key.section}__${key.key}`.toUpperCase(),
            key.env === 'set' ? key.inEnv : '',
          ]),
      );
      const [size, address, port, events, age, bytes, most] = said.map(
        ({ fallback, file, inFile, env: inEnv, ...key }) =>
          String(inEnv === 'set' ? key.inEnv : file ? inFile : fallback),
      );
      expect(await load(lines.join('\n'), env)).toStrictEqual({
        autoStandby: { maxConcurrent: Number(most) },
        ...served,
        instances: {
          lifecycleEventBufferSize: Number(size),
          maxRequestBytes: 2 ** 20,
          launchTimeoutMs: 300_000,
          maxWaitTimeoutMs: 300_000,
        },
        metrics: { listenAddress: address, port: Number(port) },
        storage: {
          ...(events !== 'open' && { logMaxEvents: Number(events) }),
          ...(bytes !== 'open' && { logMaxBytes: Number(bytes) }),
          logMaxAgeMs: 1_000 * Number(age?.slice(0, -1)),
        },
      });
    }),
  );
});

test('every fault of file and environment is told at once', async () => {
  expect(
    await load('metrics: { port: 0 }\nmore: 1', {
      RX_INSTANCES__METRICS__PORT: 'x',
      RX_INSTANCES__INSTANCES__MORE: '1',
    }),
  ).toBe(
    [
      'more: found a number, expected another key; known are auto_standby, http, instances, metrics, serve, storage',
      'metrics.port: found 0, expected TCP port (a whole number from 1 to 65535)',
      "RX_INSTANCES__METRICS__PORT: found 'x', expected TCP port (a whole number from 1 to 65535)",
      'RX_INSTANCES__INSTANCES__MORE: found a text of 1 character, expected no such variable; known are RX_INSTANCES__AUTO_STANDBY__MAX_CONCURRENT, RX_INSTANCES__HTTP__LISTEN_ADDRESS, RX_INSTANCES__HTTP__PORT, RX_INSTANCES__HTTP__SECRET, RX_INSTANCES__HTTP__SECRET_FILE, RX_INSTANCES__HTTP__MAX_REQUESTS_PER_SECOND, RX_INSTANCES__HTTP__MAX_CONNECTIONS, RX_INSTANCES__HTTP__MAX_STREAMS, RX_INSTANCES__HTTP__DRAIN_TIMEOUT, RX_INSTANCES__INSTANCES__LIFECYCLE_EVENT_BUFFER_SIZE, RX_INSTANCES__INSTANCES__MAX_REQUEST_BYTES, RX_INSTANCES__INSTANCES__LAUNCH_TIMEOUT, RX_INSTANCES__INSTANCES__MAX_WAIT_TIMEOUT, RX_INSTANCES__METRICS__LISTEN_ADDRESS, RX_INSTANCES__METRICS__PORT, RX_INSTANCES__SERVE__DATA_DIR, RX_INSTANCES__SERVE__PROCESS, RX_INSTANCES__SERVE__QEMU, RX_INSTANCES__STORAGE__LOG_MAX_EVENTS, RX_INSTANCES__STORAGE__LOG_MAX_AGE, RX_INSTANCES__STORAGE__LOG_MAX_BYTES',
    ].join('\n'),
  );
});

test('a fault is told although the environment says better', async () => {
  expect(await load('metrics: { port: 0 }', { RX_INSTANCES__METRICS__PORT: '80' })).toBe(
    'metrics.port: found 0, expected TCP port (a whole number from 1 to 65535)',
  );
});

test('a file that is no configuration at all is named', async () => {
  expect(await load('- metrics', { RX_INSTANCES__METRICS__PORT: 'x' })).toBe(
    [
      'FILE: found an array of 1 value, expected sections (auto_standby, http, instances, metrics, serve, storage)',
      "RX_INSTANCES__METRICS__PORT: found 'x', expected TCP port (a whole number from 1 to 65535)",
    ].join('\n'),
  );
});

test('a file that cannot be read does not hide the environment', async () => {
  const missing = join(folder, 'missing');
  expect(await loadConfig(missing, { RX_INSTANCES__METRICS__PORT: 'x' })()).toEqual(
    E.left([
      { path: missing, found: 'ENOENT: no such file or directory', expected: 'a file that can be read' },
      {
        path: 'RX_INSTANCES__METRICS__PORT',
        found: "'x'",
        expected: 'TCP port (a whole number from 1 to 65535)',
      },
    ]),
  );
});

test('of the faults of a file without a place of their own each is named', async () => {
  const faults = Array.from({ length: 102 }, (_, index) => `k${String(index)}: 1`).join('\n');
  const told = String(await load(faults)).split('\n');
  expect(told).toHaveLength(101);
  expect(told.at(-1)).toBe('FILE: found 2 more faults, expected none');
});

test('nothing is read before the task is run, and it never rejects', async () => {
  const task = loadConfig(path, {});
  writeFileSync(path, 'metrics: { port: 81 }');
  expect(E.isRight(await task())).toBe(true);
  writeFileSync(path, '@');
  expect(E.isLeft(await task())).toBe(true);
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), async (content) => {
      expect(['string', 'object']).toContain(typeof (await load(content)));
    }),
  );
}, 30_000);
