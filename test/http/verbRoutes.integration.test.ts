import { firstValueFrom, Subject, take, toArray } from 'rxjs';
import { openStage, type Stage } from './apiStage.js';

const web = { name: 'web', image: 'any' };
const named = (name: string): object => ({ ...web, name });

describe('a verb', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage({ memory: { standbyFrees: 'memory' } });
    await stage.ask('POST', '/instances', web);
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const post = async (path: string, body?: object, headers?: Record<string, string>): Promise<unknown> => {
    const answer = await stage.ask('POST', path, body, headers);
    return [answer.status, answer.body['state'] ?? answer.body['code']];
  };

  it('takes an instance from state to state', async () => {
    expect(await post('/instances/web/standby', {})).toEqual([200, 'Standby']);
    expect(await post('/instances/web/standby', { compression: { enabled: false } })).toEqual([
      200,
      'Standby',
    ]);
    expect(await post('/instances/web/standby', { compression: { enabled: true } })).toEqual([
      400,
      'invalid_snapshot_compression',
    ]);
    expect(await post('/instances/web/start', {})).toEqual([409, 'invalid_state']);
    expect(await post('/instances/web/restore')).toEqual([200, 'Running']);
    expect(await post('/instances/web/stop')).toEqual([200, 'Stopped']);
    expect(await post('/instances/web/standby')).toEqual([409, 'invalid_state']);
    expect(await post('/instances/web/start')).toEqual([200, 'Running']);
    expect(await post('/instances/web/fork', { name: 'copy' })).toEqual([409, 'invalid_state']);
    expect(await post('/instances/web/fork', { ...named('copy'), image: 'x' })).toEqual([
      400,
      'invalid_request',
    ]);
  });

  it('finds an instance by the beginning of its id, unless that means several', async () => {
    const ids = [];
    for (let count = 0; count < 40; count += 1) {
      const { body } = await stage.ask('POST', '/instances', named(`n${String(count)}`));
      ids.push(String(body['id']));
    }
    const beginnings = ids.map((id) => id.slice(0, 1));
    const shared = beginnings.find((letter, index) => beginnings.indexOf(letter) !== index) ?? '';
    expect(await post(`/instances/${shared}/stop`)).toEqual([409, 'ambiguous']);
    const [first = ''] = ids;
    expect(await post(`/instances/${first.slice(0, 20)}/stop`)).toEqual([200, 'Stopped']);
    expect(await post('/instances/-/stop')).toEqual([404, 'not_found']);
  });

  it('is done once for one idempotency key, and its answer given again', async () => {
    const key = { 'idempotency-key': 'k' };
    const [first, again] = [
      await stage.ask('POST', '/instances', named('db'), key),
      await stage.ask('POST', '/instances', named('db'), key),
    ];
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(await post('/instances', named('other'), key)).toEqual([400, 'invalid_request']);
    const remove = { 'idempotency-key': 'r' };
    for (let count = 0; count < 2; count += 1)
      expect(
        (await stage.ask('DELETE', '/instances/db?graceful_shutdown=true', undefined, remove)).status,
      ).toBe(204);
    expect((await stage.ask('DELETE', '/instances/db', undefined, { 'idempotency-key': 'z' })).status).toBe(
      404,
    );
  });

  it('is refused for another revision than it names', async () => {
    expect(await post('/instances/web/stop', undefined, { 'if-match': '"7"' })).toEqual([409, 'conflict']);
    expect(await post('/instances/web/stop', undefined, { 'if-match': '"1"' })).toEqual([200, 'Stopped']);
  });

  it('of deletion stops first where that is asked for and can be', async () => {
    const heard = firstValueFrom(stage.manager.events('test').pipe(take(3), toArray()));
    expect((await stage.ask('DELETE', '/instances/web?graceful_shutdown=true')).status).toBe(204);
    await stage.ask('POST', '/instances', named('db'));
    expect((await heard).map(({ action }) => action)).toEqual(['stop', 'delete', 'create']);
    expect((await stage.ask('DELETE', '/instances/db?graceful_shutdown=false')).text).toBe('');
    expect((await stage.ask('DELETE', '/instances/db')).status).toBe(404);
  });

  it('of update adds variables to those that there are, whoever else does so meanwhile', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `V${String(index)}`);
    const patched = await Promise.all(
      names.map((name) => stage.ask('PATCH', '/instances/web', { env: { [name]: name } })),
    );
    expect(patched.map(({ status }) => status)).toEqual(names.map(() => 200));
    const { body } = await stage.ask('GET', '/instances/web');
    expect(body['env']).toEqual(Object.fromEntries(names.map((name) => [name, name])));
    const stale = await stage.ask('PATCH', '/instances/web', { env: { A: '1' } }, { 'if-match': '"1"' });
    expect([stale.status, stale.body['code']]).toEqual([409, 'conflict']);
  });

  it('of update changes policies, and tells how they stand', async () => {
    const asked = {
      restart_policy: { policy: 'always' },
      health_check: { type: 'tcp', tcp: { port: 80 } },
      stop_grace_ms: 1,
    };
    const { status, body } = await stage.ask('PATCH', '/instances/web', asked);
    expect([status, body]).toMatchObject([
      200,
      {
        restart_policy: { policy: 'always', backoff: '5s' },
        health_check: { type: 'tcp', tcp: { port: 80 } },
        health_status: { status: 'starting', consecutive_failures: 0 },
        stop_grace_ms: 1,
      },
    ]);
    const { body: none } = await stage.ask('PATCH', '/instances/web', {
      restart_policy: {},
      health_check: {},
    });
    expect([none['restart_policy'], none['health_check']]).toEqual([undefined, undefined]);
  });

  it('goes on although its client has gone', async () => {
    const asked = new Subject<undefined>();
    const stopped = firstValueFrom(stage.manager.events('test'));
    const gone = new AbortController();
    const stop = fetch(`${stage.address}/instances/web/stop`, { method: 'POST', signal: gone.signal }).catch(
      () => asked.next(undefined),
    );
    gone.abort();
    await stop;
    await stage.ask('POST', '/instances/web/stop');
    expect((await stopped).action).toBe('stop');
  });
});

describe('a list', () => {
  it('is of those in a state, with labels', async () => {
    await using stage = await openStage();
    for (const [name, tags] of [
      ['a', { team: 'red' }],
      ['b', { team: 'red', 'x y': 'ö'.replace('ö', 'o') }],
      ['c', {}],
    ] as const)
      await stage.ask('POST', '/instances', { ...named(name), tags });
    await stage.ask('POST', '/instances/a/stop');
    const names = async (query: string): Promise<unknown> =>
      ((await stage.ask('GET', `/instances${query}`)).body as unknown as { name: string }[]).map(
        ({ name }) => name,
      );
    expect(await names('')).toEqual(['a', 'b', 'c']);
    expect(await names('?state=Running')).toEqual(['b', 'c']);
    expect(await names('?tags%5Bteam%5D=red')).toEqual(['a', 'b']);
    expect(await names('?tags[team]=red&tags%5Bx%20y%5D=o')).toEqual(['b']);
    expect(await names('?state=Paused')).toEqual([]);
  });
});
