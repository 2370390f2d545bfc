import { once } from 'node:events';
import fastify from 'fastify';
import { apiServerOptions } from 'rx-instances/http';
import { openStage, type Stage } from './apiStage.js';
import { dial, exchange, head } from './rawClient.js';

const json = { 'content-type': 'application/json' };

describe('what is no proper request', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const told = async (...args: Parameters<Stage['ask']>): Promise<unknown> => {
    const { status, body, headers } = await stage.ask(...args);
    return [status, body['code'], headers.get('x-should-retry')];
  };

  it('is answered in the form of all errors, without a word of where it went', async () => {
    const fine = JSON.stringify({ name: 'web', image: 'any' });
    expect(await told('POST', '/instances', '{')).toEqual([400, 'Bad Request', 'false']);
    expect(await told('POST', '/instances', '['.repeat(100_000))).toEqual([400, 'Bad Request', 'false']);
    expect(await told('POST', '/instances', '"text"')).toEqual([400, 'invalid_request', 'false']);
    expect(await told('POST', '/instances', `{"x":"${'x'.repeat(2 ** 20)}"}`)).toEqual([
      413,
      'Payload Too Large',
      'false',
    ]);
    expect(await told('POST', '/instances', fine, { 'content-type': 'text/plain' })).toEqual([
      415,
      'Unsupported Media Type',
      'false',
    ]);
    expect(await told('POST', '/instances')).toEqual([400, 'invalid_request', 'false']);
    expect(await told('PUT', '/instances')).toEqual([404, 'Not Found', 'false']);
    expect(await told('GET', '/nothing/here')).toEqual([404, 'Not Found', 'false']);
    expect(await told('GET', `/instances/${'x'.repeat(300)}`)).toEqual([414, 'URI Too Long', 'false']);
    expect(await told('GET', '/instances/%ff')).toEqual([400, 'Bad Request', 'false']);
    const { text } = await stage.ask('GET', '/instances/%zz-secret');
    expect(text).not.toContain('secret');
  });

  it('is told by name what is wrong with a body, and no value that may be a secret', async () => {
    const asked = {
      name: 'Web',
      image: 'any',
      siz: '1GB',
      env: { TOKEN: 17 },
      ttl: 5,
      ports: [{ guest: 'x' }],
    };
    const { body } = await stage.ask('POST', '/instances', asked);
    const faults = String(body['message']).split('; ');
    expect(faults[0]).toBe('siz: found a text of 3 characters, expected another key, perhaps size');
    expect(faults[1]).toMatch(/^known are name, image, hypervisor, /);
    expect(faults.slice(2)).toEqual([
      "name: found 'Web', expected a name (1 to 63 lower-case letters, digits and inner hyphens)",
      'env.TOKEN: found a number, expected a text without NUL characters',
      'ttl: found 5, expected a duration such as 5m0s',
    ]);
  });

  it('is refused in what stands behind the path', async () => {
    for (const query of [
      ...['state=Asleep', 'state=Running&state=Odd', 'tags=x', 'tags[a][b]=c', 'tags[a]=1&tags[a]=2'],
      ...['unknown=1', 'state', 'tags[%00]=x'],
    ])
      expect([query, await told('GET', `/instances?${query}`)]).toEqual([
        query,
        [400, 'invalid_request', 'false'],
      ]);
    for (const query of ['tail=-1', 'tail=1e3', 'follow=yes', 'source=', 'source=vmm'])
      expect([query, (await stage.ask('GET', `/instances/web/logs?${query}`)).status < 500]).toEqual([
        query,
        true,
      ]);
    expect((await stage.ask('GET', '/instances?__proto__[a]=b&constructor=x')).status).toBe(200);
  });

  it('is refused on its socket where it is no HTTP at all', async () => {
    const garbage = await exchange(stage.address, 'what is this\r\n\r\n');
    expect(garbage).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n[^]*\{"code":"Bad Request","message":"[^"/]*"\}$/,
    );
    expect(garbage).toMatch(/\r\nx-should-retry: false\r\n/);
    const expecting = head('POST', '/instances', 'expect: 200-maybe', 'connection: close');
    expect(await exchange(stage.address, `${expecting}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 417 [^]*x-should-retry: false\r\n[^]*\{"code":"Expectation Failed","message":"[^"/]*"\}/,
    );
    const large = await exchange(
      stage.address,
      `${head('GET', '/instances', `x: ${'x'.repeat(20_000)}`)}\r\n\r\n`,
    );
    expect(large).toMatch(/^HTTP\/1\.1 431 [^]*"code":"Request Header Fields Too Large"/);
    const both = head(
      'POST',
      '/instances',
      'content-length: 2',
      'transfer-encoding: chunked',
      'connection: close',
    );
    expect(await exchange(stage.address, `${both}\r\n\r\n{}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await exchange(stage.address, 'GET /instances HTTP/1.1\r\nconnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 /,
    );
  });

  it('is none of the name of a request that is no plain word', async () => {
    const idOf = async (id: string): Promise<string | null> =>
      (await stage.ask('GET', '/health', undefined, { 'x-request-id': id })).headers.get('x-request-id');
    expect(await idOf('order-17_a.b')).toBe('order-17_a.b');
    for (const id of ['a b', 'x'.repeat(65), '<script>', ''])
      expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is none whose idempotency key or revision is no such thing', async () => {
    expect(
      await told('POST', '/instances/web/stop', undefined, { 'idempotency-key': 'x'.repeat(129) }),
    ).toEqual([400, 'invalid_request', 'false']);
    expect(await told('POST', '/instances/web/stop', undefined, { 'if-match': '*' })).toEqual([
      400,
      'invalid_request',
      'false',
    ]);
  });

  it('takes an empty body for none where it is said to be JSON', async () => {
    await stage.ask('POST', '/instances', { name: 'web', image: 'any' });
    for (const [verb, status] of [
      ['start', 200],
      ['standby', 200],
      ['restore', 200],
      ['stop', 200],
    ] as const)
      expect([verb, (await stage.ask('POST', `/instances/web/${verb}`, '', json)).status]).toEqual([
        verb,
        status,
      ]);
  });
});

it('one address may not ask without end', async () => {
  await using stage = await openStage({ maxRequestsPerSecond: 3 });
  const answers = [];
  for (let count = 0; count < 8; count += 1) answers.push(await stage.ask('GET', '/nothing'));
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.body['code']).toBe('rate_limited');
  expect(refused?.headers.get('retry-after')).not.toBeNull();
  expect(refused?.headers.get('x-should-retry')).toBeNull();
});

it('there are only so many connections', async () => {
  await using stage = await openStage({ maxConnections: 2 });
  const sockets = [dial(stage.address), dial(stage.address)];
  for (const socket of sockets) {
    socket.write(`${head('GET', '/health')}\r\n\r\n`);
    await once(socket, 'data');
  }
  expect(await exchange(stage.address, `${head('GET', '/health')}\r\n\r\n`)).toBe('');
  for (const socket of sockets) socket.destroy();
});

it('a head that does not come to its end is given up', async () => {
  const { http, ...options } = apiServerOptions();
  const app = fastify({ ...options, http: { ...http, headersTimeout: 50, connectionsCheckingInterval: 20 } });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  expect(await exchange(address, 'GET / HTTP/1.1\r\nhost: x')).toMatch(
    /^HTTP\/1\.1 408 [^]*"code":"Request Timeout"/,
  );
  await app.close();
});
