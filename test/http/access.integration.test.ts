import { request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import { createSigner } from 'fast-jwt';
import { firstValueFrom } from 'rxjs';
import { openStage } from './apiStage.js';

const secret = 'the secret of these tests, and of none else';
const tokenOf = (claims: object): Record<string, string> => ({
  authorization: `Bearer ${createSigner({ key: secret })(claims)}`,
});

/** Asks as no `fetch` does: with any Host, and without one of its own. */
const statusBy = (address: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((done, fail) => {
    const { hostname, port } = new URL(address);
    httpRequest(
      { hostname, port, path: '/instances', headers: { connection: 'close', ...headers } },
      (answer) => {
        answer.resume().on('end', () => done(answer.statusCode));
      },
    )
      .on('error', fail)
      .end();
  });

describe('a server without a secret', () => {
  it('serves who calls it by the name of this host, and nobody else', async () => {
    await using stage = await openStage();
    const { port } = new URL(stage.address);
    const own = ['localhost', `localhost:${port}`, `127.0.0.1:${port}`, '[::1]', 'LOCALHOST', '127.9.9.9'];
    for (const host of own) expect([host, await statusBy(stage.address, { host })]).toEqual([host, 200]);
    const foreign = [
      'example.org',
      'localhost.example.org',
      '127.0.0.1.example.org',
      '10.0.0.1',
      'x@localhost',
    ];
    for (const host of foreign) expect([host, await statusBy(stage.address, { host })]).toEqual([host, 403]);
  });

  it('serves no page of another place', async () => {
    await using stage = await openStage();
    const host = `localhost:${new URL(stage.address).port}`;
    expect(await statusBy(stage.address, { host, origin: `http://${host}` })).toBe(200);
    for (const origin of ['null', 'http://example.org', 'http://localhost:1', `https://${host}`])
      expect([origin, await statusBy(stage.address, { host, origin })]).toEqual([origin, 403]);
  });

  it('serves nobody by another address of this host', async () => {
    const addresses = Object.values(networkInterfaces()).flat();
    const { address } = addresses.find((each) => each?.internal === false && each.family === 'IPv4') ?? {};
    await using stage = await openStage({ host: '0.0.0.0' });
    const elsewhere = `http://${String(address)}:${new URL(stage.address).port}`;
    expect(await statusBy(elsewhere, { host: 'localhost' })).toBe(403);
    await using open = await openStage({ host: '0.0.0.0', secret });
    const served = `http://${String(address)}:${new URL(open.address).port}`;
    expect(await statusBy(served, { host: 'example.org', ...tokenOf({}) })).toBe(200);
  });
});

describe('a server with a secret', () => {
  it('lets nobody in without a token, to whatever there is or is not, but to its health and its document', async () => {
    await using stage = await openStage({ secret });
    const { body, headers } = await stage.ask('GET', '/instances');
    expect(body['code']).toBe('Unauthorized');
    expect([headers.get('www-authenticate'), headers.get('x-should-retry')]).toEqual(['Bearer', 'false']);
    const statuses = await Promise.all(
      ['/instances/web', '/nothing', '/capabilities', '/health', '/openapi.json'].map(
        async (path) => (await stage.ask('GET', path)).status,
      ),
    );
    expect(statuses).toEqual([401, 401, 401, 200, 200]);
  });

  it('asks of each route its scope, and of nobody who has all', async () => {
    await using stage = await openStage({ secret });
    const permits = async (permissions: readonly string[] | undefined): Promise<readonly number[]> => {
      const asked = [
        ['GET', '/instances/none'],
        ['POST', '/instances/none/stop'],
        ['DELETE', '/instances/none'],
        ['GET', '/snapshots/none'],
        ['POST', '/instances/none/snapshots/none/restore'],
        ['DELETE', '/snapshots/none'],
        ['GET', '/nothing'],
      ] as const;
      const headers = tokenOf({ sub: 'x', ...(permissions && { permissions }) });
      return Promise.all(
        asked.map(async ([method, path]) => (await stage.ask(method, path, undefined, headers)).status),
      );
    };
    expect(await permits(undefined)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect(await permits(['*'])).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect(await permits([])).toEqual([403, 403, 403, 403, 403, 403, 404]);
    expect(await permits(['instance:read', 'snapshot:write'])).toEqual([404, 403, 403, 403, 404, 403, 404]);
    expect(await permits(['instance:write', 'snapshot:read'])).toEqual([403, 404, 403, 404, 403, 403, 404]);
    expect(await permits(['instance:delete', 'snapshot:delete'])).toEqual([
      403, 403, 404, 403, 403, 404, 404,
    ]);
    const { body } = await stage.ask('POST', '/instances', {}, tokenOf({ permissions: ['instance:read'] }));
    expect(body).toEqual({ code: 'Forbidden', message: 'missing required scope: instance:write' });
  });

  it('tells in events who asked', async () => {
    await using stage = await openStage({ secret });
    const event = firstValueFrom(stage.manager.events('test'));
    await stage.ask(
      'POST',
      '/instances',
      { name: 'web', image: 'any' },
      {
        ...tokenOf({ sub: 'deployer' }),
        'idempotency-key': 'order-17',
      },
    );
    expect((await event).cause).toEqual({ by: 'deployer', requestId: 'order-17' });
  });

  it('is none whose secret can be guessed', async () => {
    await expect(openStage({ secret: 'short' })).rejects.toThrow('secret: found a text of 5 characters');
  });
});
