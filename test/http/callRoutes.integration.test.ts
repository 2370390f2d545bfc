import { firstValueFrom } from 'rxjs';
import { createSigner } from 'fast-jwt';
import { openStage, type Stage, type StageOptions } from './apiStage.js';

describe('POST /calls/:verb', () => {
  let stage: Stage;
  const open = async (options?: StageOptions) => {
    stage = await openStage(options);
  };
  const call = (verb: string, given: readonly unknown[], headers?: Record<string, string>) =>
    stage.ask('POST', `/calls/${verb}`, { arguments: given }, headers);
  afterEach(() => stage[Symbol.asyncDispose]());

  it('answers with what the verb emits, and the place in the log that it has reached', async () => {
    await open();
    const { status, body } = await call('create', [{ name: 'web', image: 'any', stopGraceMs: 5 }, null]);
    expect([status, body]).toMatchObject([
      200,
      {
        value: { name: 'web', state: 'Running', stop_grace_ms: 5 },
        cursor: expect.stringMatching(/:1$/) as string,
      },
    ]);
    const endpoint = await call('endpoint', ['web', 80]);
    expect(endpoint.body['code']).toBe('invalid_request');
    expect((await call('status', ['web'])).body).toMatchObject({ value: {} });
    expect((await call('list', [{ state: 'Running' }])).body['value']).toHaveLength(1);
  });

  it('tells the error itself beside its code, and of the inside nothing', async () => {
    await open({
      memory: { fail: (operation) => (operation === 'launch' ? new Error('/srv/secret') : undefined) },
    });
    const absent = await call('get', ['web']);
    expect([absent.status, absent.body]).toEqual([
      404,
      {
        code: 'not_found',
        message: 'resource not found',
        error: { _tag: 'InstanceNotFound', message: 'there is no instance "web"', id_or_name: 'web' },
      },
    ]);
    const failed = await call('create', [{ name: 'web', image: 'any' }]);
    expect([failed.status, failed.body]).toMatchObject([
      500,
      { error: { _tag: 'LaunchFailed', reason: 'the log of its server says why' } },
    ]);
    expect(failed.text).not.toContain('secret');
    expect(failed.headers.get('x-should-retry')).toBe('false');
    for (const [given, path] of [
      [[{ name: 'Web', image: 'any' }], 'name'],
      [[{ name: 'web', image: 'any' }, { signal: { aborted: false } }], 'signal'],
      [[{ name: 'web', image: 'any' }, 7], ''],
    ] as const)
      expect((await call('create', given)).body).toMatchObject({ error: { faults: [{ path }] } });
    expect((await call('explode', [])).status).toBe(404);
    expect((await call('toString', [])).status).toBe(404);
  });

  it('calls in the name of the token, whatever is said, and as far as that permits', async () => {
    const secret = 'a secret that nobody can guess, 42';
    await open({ secret });
    const token = createSigner({ key: secret })({ sub: 'reader', permissions: ['instance:write'] });
    const headers = { authorization: `Bearer ${token}` };
    const told = firstValueFrom(stage.manager.events('test'));
    await call('create', [{ name: 'web', image: 'any' }, { by: 'somebody' }], headers);
    expect((await told).cause.by).toBe('reader');
    expect((await call('delete', ['web'], headers)).status).toBe(403);
    const other = { name: 'web', image: 'other' };
    expect((await call('ensure', [{ name: 'web', image: 'any' }], headers)).status).toBe(200);
    expect((await call('ensure', [other], headers)).body).toMatchObject({ error: { _tag: 'InvalidState' } });
    expect((await call('ensure', [other, { replace: true }], headers)).body).toMatchObject({
      message: 'missing required scope: instance:delete',
    });
    expect((await call('get', ['web'])).status).toBe(401);
  });

  it('has a page of the log at once, and the place to go on from', async () => {
    await open();
    const none = await stage.ask('GET', '/events?limit=2');
    expect(none.body).toMatchObject({ events: [], cursor: expect.stringMatching(/:0$/) as string });
    for (const name of ['one', 'two', 'three']) await call('create', [{ name, image: 'any' }]);
    const place = String(none.body['cursor']);
    const first = await stage.ask('GET', `/events?limit=2&after=${place}`);
    expect(first.body).toMatchObject({ events: [{ sequence: 1 }, { sequence: 2 }] });
    const rest = await stage.ask('GET', `/events?limit=1000&after=${String(first.body['cursor'])}`);
    expect(rest.body).toMatchObject({ events: [{ sequence: 3 }], cursor: place.replace(':0', ':3') });
    const end = await stage.ask('GET', `/events?limit=9&after=${String(rest.body['cursor'])}`);
    expect(end.body).toEqual({ events: [], cursor: rest.body['cursor'] });
    for (const after of ['other:1', place.replace(':0', ':9')]) {
      const expired = await stage.ask('GET', `/events?limit=9&after=${after}`);
      expect([expired.status, expired.body]).toMatchObject([410, { error: { _tag: 'CursorExpired' } }]);
    }
    expect((await stage.ask('GET', '/events?limit=1001')).status).toBe(400);
  });
});

it('a log is a stream of its lines, which says when that is all', async () => {
  await using stage = await openStage();
  const { id } = await firstValueFrom(stage.manager.create({ name: 'web', image: 'any' }));
  stage.driver.machine(id).print('hello');
  const response = await fetch(`${stage.address}/calls/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ arguments: ['web', {}] }),
  });
  const text = await response.text();
  expect(text).toMatch(/^event: line\ndata: \{.*"text":"hello".*\}\n\nevent: done\ndata: \{\}\n\n$/);
});
