import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import type * as t from 'io-ts';
import { decode } from '../../../src/codecs/decode.js';
import { wireChange } from '../../../src/codecs/wire/wireChange.js';
import { wireError } from '../../../src/codecs/wire/wireError.js';
import { wireEvent } from '../../../src/codecs/wire/wireEvent.js';
import { wireInstance } from '../../../src/codecs/wire/wireInstance.js';
import { wireSnapshot } from '../../../src/codecs/wire/wireSnapshot.js';
import { InvalidState, LaunchFailed, StoreFailed } from '../../../src/lifecycle/errors.js';
import type { Instance } from '../../../src/lifecycle/instance.js';
import { anyChange, anyError, anyEvent, anyInstance, anySnapshot } from '../../support/anyValues.js';

/** Over the wire and back. */
const there = (codec: t.Mixed, value: unknown): unknown => JSON.parse(JSON.stringify(codec.encode(value)));
const back = (codec: t.Mixed, sent: unknown): unknown => {
  const decoded = decode(codec, sent);
  return E.isRight(decoded) ? decoded.right : { faults: decoded.left };
};

const web: Instance = {
  id: 'tz4a98xxat96iws9zmbrgj3a',
  name: 'web',
  spec: {
    driver: 'process',
    image: '/srv/web',
    env: { PORT: '80' },
    tags: { tier: 'front' },
    cmd: ['-v'],
    readiness: { kind: 'tcp', port: 80, timeoutMs: 500 },
    stopSignal: 'SIGINT',
    ...{ memoryMiB: 64, cpus: 0.5, openFiles: 99, user: 'nobody' },
    ...{ cpus: 0.5, openFiles: 99, user: 'nobody' },
    ...{ gpuCount: 2 },
  },
  state: 'Stopped',
  revision: 7,
  createdAt: 0,
  startedAt: 1_000,
  stoppedAt: 2_000,
  exit: { code: null, signal: 'SIGKILL', timedOut: 'run', oomKilled: true },
};

const webOnTheWire = {
  id: 'tz4a98xxat96iws9zmbrgj3a',
  name: 'web',
  driver: 'process',
  image: '/srv/web',
  env: { PORT: '80' },
  tags: { tier: 'front' },
  cmd: ['-v'],
  readiness: { kind: 'tcp', port: 80, timeout_ms: 500 },
  stop_signal: 'SIGINT',
  memory_mib: 64,
  cpus: 0.5,
  open_files: 99,
  user: 'nobody',
  driver_fields: { gpuCount: 2 },
  state: 'Stopped',
  revision: 7,
  created_at: '1970-01-01T00:00:00.000Z',
  started_at: '1970-01-01T00:00:01.000Z',
  stopped_at: '1970-01-01T00:00:02.000Z',
  exit_code: null,
  exit_signal: 'SIGKILL',
  exit_timed_out: 'run',
  exit_oom_killed: true,
};

const cause = { by: 'auto_standby', reason: 'idle_timeout', requestId: 'r-1', traceparent: '00-1-2-01' };
const place = { epoch: 'e', sequence: 3, time: 0, cause };
const placeOnTheWire = {
  ...{ epoch: 'e', sequence: 3, time: '1970-01-01T00:00:00.000Z' },
  cause: { by: 'auto_standby', reason: 'idle_timeout', request_id: 'r-1', traceparent: '00-1-2-01' },
};

describe('on the wire', () => {
  test('an instance is as hypeman writes it', () => {
    expect(there(wireInstance, web)).toEqual(webOnTheWire);
  });

  test('an event has its place and what belongs to its action', () => {
    const common = { instanceId: web.id, previousState: 'Running' } as const;
    expect(there(wireEvent, { ...place, ...common, action: 'stop', instance: web })).toEqual({
      ...placeOnTheWire,
      action: 'stop',
      instance_id: web.id,
      instance: webOnTheWire,
      previous_state: 'Running',
    });
    expect(there(wireEvent, { ...place, ...common, action: 'delete', last: web })).toEqual({
      ...placeOnTheWire,
      action: 'delete',
      instance_id: web.id,
      last: webOnTheWire,
      previous_state: 'Running',
    });
  });

  test('an upsert has its instance once', () => {
    const event = { ...place, action: 'create', instanceId: web.id, instance: web } as const;
    expect(there(wireChange, { kind: 'upsert', instance: web, event })).toEqual({
      kind: 'upsert',
      event: { ...placeOnTheWire, action: 'create', instance_id: web.id, instance: webOnTheWire },
    });
  });

  test('an error has its tag, its message, its fields and its causes', () => {
    const full = new StoreFailed({ reason: 'full' }, { cause: 'ENOSPC' });
    expect(there(wireError, new LaunchFailed({ reason: 'no room' }, { cause: full }))).toEqual({
      _tag: 'LaunchFailed',
      message: 'no room',
      reason: 'no room',
      cause: {
        _tag: 'StoreFailed',
        message: 'the store failed: full',
        reason: 'full',
        cause: { _tag: 'Error', message: 'ENOSPC' },
      },
    });
    const fields = { instanceId: 'a', state: 'Running', verb: 'start', remedy: 'stop it' } as const;
    expect(there(wireError, new InvalidState(fields))).toMatchObject({ instance_id: 'a', state: 'Running' });
  });
});

describe('over the wire and back', () => {
  test.each<[string, t.Mixed, fc.Arbitrary<unknown>]>([
    ['an instance', wireInstance, anyInstance],
    ['a snapshot', wireSnapshot, anySnapshot],
    ['an event', wireEvent, anyEvent],
    ['a change', wireChange, anyChange],
  ])('%s is what it was, whatever it is', (_, codec, values) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.is(value)).toBe(true);
        expect(back(codec, there(codec, value))).toEqual(value);
      }),
    );
  });

  test('an error is what it was, with its causes', () => {
    fc.assert(
      fc.property(anyError, (error) => {
        const received = back(wireError, there(wireError, error));
        expect(received).toStrictEqual(error);
        expect(wireError.is(received)).toBe(true);
        for (
          let [one, other] = [error.cause, (received as Error).cause];
          one !== undefined;
          [one, other] = [(one as Error).cause, (other as Error).cause]
        )
          expect(other).toStrictEqual(one);
      }),
    );
  });

  test('causes that lie in one another without end are cut off', () => {
    const error: Error & { cause?: unknown } = new Error('round');
    error.cause = error;
    let received = back(wireError, there(wireError, error)) as Error;
    let depth = 0;
    for (; received.cause !== undefined; received = received.cause as Error) depth += 1;
    expect(depth).toBe(10);
  });

  test('an error that is newer than we are says its message', () => {
    const received = back(wireError, { _tag: 'OutOfQuota', message: 'no more', limit: 3 }) as Error;
    expect([received.name, received.message]).toEqual(['Error', 'no more']);
  });

  test('what is not known is passed over', () => {
    expect(back(wireInstance, { ...webOnTheWire, health_status: { status: 'disabled' } })).toEqual(web);
  });
});

describe('what can not be understood is told by the names of the wire', () => {
  const faultsOf = (codec: t.Mixed, sent: unknown): unknown =>
    (back(codec, sent) as { faults?: unknown }).faults;

  test('of an instance, all at once', () => {
    const { id: _, ...sent } = { ...webOnTheWire, created_at: 'today', env: { A: 1 }, exit_code: 'x' };
    expect(faultsOf(wireInstance, sent)).toMatchObject([
      { path: 'id', found: 'nothing' },
      { path: 'created_at', found: "'today'", expected: 'a time as 2026-01-31T12:00:00.000Z' },
      { path: 'exit_code' },
      { path: 'env.A', found: 'a number' },
    ]);
  });

  test.each<[string, t.Mixed, unknown, string]>([
    ['no object', wireInstance, 7, ''],
    ['no action', wireEvent, { ...placeOnTheWire, action: 'restart' }, 'action'],
    [
      'no instance',
      wireEvent,
      { ...placeOnTheWire, action: 'stop', instance_id: web.id, previous_state: 'Running' },
      'instance',
    ],
    ['no kind', wireChange, { kind: 'deleted' }, 'kind'],
    [
      'an upsert of a delete',
      wireChange,
      {
        kind: 'upsert',
        event: { ...placeOnTheWire, action: 'delete', instance_id: web.id, previous_state: 'Running' },
      },
      '',
    ],
    ['an error without a message', wireError, { _tag: 'Conflict' }, 'message'],
    ['an error without its fields', wireError, { _tag: 'StoreFailed', message: 'full' }, 'reason'],
    ['a cause that is none', wireError, { _tag: 'Error', message: 'full', cause: 'disk' }, 'cause'],
    ['no error', wireError, 'full', ''],
    ['a day that does not exist', wireSnapshot, { created_at: '2026-13-01T00:00:00Z' }, 'created_at'],
  ])('%s', (_, codec, sent, path) => {
    expect(faultsOf(codec, sent)).toContainEqual(expect.objectContaining({ path }));
  });
});
