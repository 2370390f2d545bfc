import * as errors from '../../src/lifecycle/errors.js';
import { errorAnswer } from '../../src/http/errorAnswers.js';
import { Refusal } from '../../src/http/refusal.js';
import { wirePathOf } from '../../src/http/wirePath.js';

const secret = '/srv/secret/place';
const cursor = { epoch: 'e', sequence: 3 };
const differences = [{ path: secret, found: 'one', expected: 'another' }];

const all: readonly (readonly [error: Error, status: number, code: string, isRetried: boolean])[] = [
  [
    new errors.InvalidRequest({ faults: [{ path: 'name', found: '1', expected: 'a name' }] }),
    400,
    'invalid_request',
    false,
  ],
  [new errors.InstanceNotFound({ idOrName: 'web' }), 404, 'not_found', false],
  [new errors.WebhookNotFound({ webhookId: 'w' }), 404, 'not_found', false],
  [new errors.SnapshotNotFound({ snapshotId: 's' }), 404, 'not_found', false],
  [new errors.LogNotFound({ source: 'x', sources: ['app'] }), 404, 'log_not_found', false],
  [new errors.AmbiguousName({ idOrName: 'a', matches: ['a1', 'a2'] }), 409, 'ambiguous', false],
  [new errors.NameTaken({ taken: 'web' }), 409, 'name_conflict', false],
  [new errors.Conflict({ instanceId: 'i', revision: 2, expectedRevision: 1 }), 409, 'conflict', false],
  [
    new errors.InvalidState({ instanceId: 'i', state: 'Stopped', verb: 'standby', remedy: 'start it' }),
    409,
    'invalid_state',
    false,
  ],
  [new errors.SnapshotDamaged({ snapshotId: 's', differences }), 409, 'snapshot_damaged', false],
  [new errors.SnapshotIncompatible({ differences }), 409, 'snapshot_incompatible', false],
  [new errors.ConsumerTaken({ consumer: 'c' }), 409, 'consumer_taken', false],
  [new errors.CursorExpired({ cursor, oldest: 5, epoch: 'e' }), 410, 'cursor_expired', false],
  [new errors.NotSupported({ driver: 'd', verb: 'v', reason: 'none' }), 501, 'not_supported', false],
  [new errors.ManagerClosed(), 503, 'unavailable', true],
  [new errors.TooManyConsumers({ consumer: 'c', limit: 64 }), 503, 'unavailable', true],
  [new errors.SubscriberLagged({ capacity: 1, missed: 1 }), 500, 'internal_error', true],
  [new errors.FileFailed({ verb: 'read', path: 'a', code: 'ENOENT' }), 422, 'file_failed', false],
  [new errors.ExecFailed({ reason: secret, code: 127 }), 422, 'exec_failed', false],
  [new errors.LaunchFailed({ reason: secret }), 500, 'internal_error', false],
  [
    new errors.DriverFailed({ instanceId: 'i', verb: 'stop' }, { cause: new Error(secret) }),
    500,
    'internal_error',
    true,
  ],
  [new errors.LogUnreadable({ path: secret, found: 'a link' }), 500, 'internal_error', true],
  [new errors.StoreFailed({ reason: secret }), 500, 'internal_error', true],
  [new errors.StateUnreadable({ instanceId: 'i' }), 500, 'internal_error', true],
  [new errors.DataDirLocked({ dataDir: secret }), 500, 'internal_error', true],
  [new errors.ApiFailed({ reason: secret }), 502, 'bad_gateway', true],
];

describe('an error', () => {
  it.each(all)('%s is answered with %i %s', (error, status, code, isRetried) => {
    const answer = errorAnswer(error);
    expect([answer.status, answer.body.code, answer.headers['x-should-retry'] !== 'false']).toEqual([
      status,
      code,
      isRetried,
    ]);
  });

  it('of each class has its row here', () => {
    const known = new Set(all.map(([error]) => error.name));
    expect(Object.keys(errors.errorClasses).filter((name) => !known.has(name))).toEqual([]);
  });

  it('never tells of a path', () => {
    for (const [error] of all) expect(JSON.stringify(errorAnswer(error))).not.toContain(secret);
  });

  it('that nobody knows is one of the inside, and has no word of its own', () => {
    const foreign = Object.assign(new Error(secret), { statusCode: 500 });
    for (const error of [foreign, new Error(secret), 'text', undefined, null])
      expect(errorAnswer(error)).toMatchObject({
        status: 500,
        body: { code: 'internal_error', message: 'the server could not do this; its log says why' },
      });
  });

  it('of the framework has the words of its status only', () => {
    const error = Object.assign(new Error(secret), { statusCode: 413, code: 'FST_ERR' });
    expect(errorAnswer(error).body).toEqual({ code: 'Payload Too Large', message: 'the body is too large' });
  });

  it('that refuses is told as it is', () => {
    const refusal = new Refusal(429, 'rate_limited', 'slower', { 'retry-after': '1' });
    expect(errorAnswer(refusal)).toEqual({
      status: 429,
      body: { code: 'rate_limited', message: 'slower' },
      headers: { 'retry-after': '1' },
    });
  });

  it('is told otherwise where hypeman does', () => {
    const taken = new errors.NameTaken({ taken: 'web' });
    expect(errorAnswer(taken, 'createInstance').status).toBe(400);
    expect(errorAnswer(taken, 'forkInstance').status).toBe(409);
    const gone = new errors.InstanceNotFound({ idOrName: 'web' });
    expect(errorAnswer(gone, 'waitForState').body.message).toBe('instance was deleted while waiting');
  });

  it('names fields as they stand in a body, and takes its code from the only one that is wrong', () => {
    const fault = (path: string) => ({ path, found: '1', expected: '2' });
    const answerTo = (...paths: readonly string[]) =>
      errorAnswer(new errors.InvalidRequest({ faults: paths.map(fault) })).body;
    expect(answerTo('ttlMs')).toEqual({ code: 'invalid_ttl', message: 'ttl: found 1, expected 2' });
    expect(answerTo('healthCheck.timeoutMs', 'healthCheck.http.port').code).toBe('invalid_health_check');
    expect(answerTo('healthCheck.timeoutMs', 'ttlMs').code).toBe('invalid_request');
    for (const path of ['constructor', '__proto__', 'toString'])
      expect(answerTo(path).code).toBe('invalid_request');
    const paths = [
      'stopGraceMs',
      'memoryMiB',
      'autoStandby.idleTimeoutMs',
      'env.aB',
      'secrets.aB',
      "tags['aB']",
      'ports[0].guest',
      'driver',
    ];
    expect(paths.map(wirePathOf)).toEqual([
      ...['stop_grace_ms', 'memory_mib', 'auto_standby.idle_timeout', 'env.aB', 'secrets.aB'],
      ...["tags['aB']", 'ports[0].guest', 'hypervisor'],
    ]);
  });
});
