import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { firstValueFrom, NEVER, type Observable, of, throwError, toArray } from 'rxjs';
import { failureOf } from '../../../src/controllers/probes/failureOf.js';
import { createOwnConnections } from '../../../src/controllers/ownConnections.js';
import { createProbe } from '../../../src/controllers/probes/probe.js';
import type { ProbeOutcome } from '../../../src/controllers/probes/probeOutcome.js';
import type { ConnectionEnd } from '../../../src/instances/connectionSource.js';
import type { CheckOutcome } from '../../../src/lifecycle/checkProgram.js';
import type { HealthCheck } from '../../../src/lifecycle/healthCheck.js';
import { anInstance } from '../../support/lifecycleEvents.js';
import { selfSigned } from '../../support/selfSigned.js';
import { until } from '../../support/until.js';

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
});

/** Has a server listen, and gives its port. */
async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

const served = (answer: RequestListener): Promise<number> => listening(createHttpServer(answer));

/** Has a server listen that does that with whoever comes, and hears what it says. */
const spoken = (serve: (socket: Socket) => void = () => undefined): Promise<number> =>
  listening(
    createServer((socket) => {
      socket.resume();
      serve(socket);
    }),
  );

const clocks = {
  ...{ intervalMs: 10_000, timeoutMs: 5_000, startPeriodMs: 0 },
  ...{ failureThreshold: 1, successThreshold: 1 },
};
const http = (port: number, fields: Partial<Extract<HealthCheck, { kind: 'http' }>> = {}): HealthCheck => ({
  ...{ kind: 'http', port, path: '/', scheme: 'http', expectedStatus: 200 },
  ...clocks,
  ...fields,
});
const tcp = (port: number): HealthCheck => ({ kind: 'tcp', port, ...clocks });

const own = createOwnConnections();
const probe = createProbe(own);

const nowhere = { addressOf: () => undefined, check: () => NEVER };

const probed = (check: HealthCheck): Promise<readonly ProbeOutcome[]> =>
  firstValueFrom(probe(anInstance(), check, nowhere).pipe(toArray()));

const success = [{ kind: 'success' }];
const failure = (error: unknown): unknown => [{ kind: 'failure', error }];
const late = failure('there was no answer within 100 ms');

it.each<[string, Server, (port: number) => HealthCheck]>([
  ['HTTP', createHttpServer(), http],
  ['HTTPS', createHttpsServer(selfSigned()), (port) => http(port, { scheme: 'https' })],
  ['TCP', createServer(), tcp],
])('a connection by %s is known as one of ours', async (_, server, check) => {
  const port = await listening(server);
  const sources: ConnectionEnd[] = [];
  server.on('connection', ({ remoteAddress = '', remotePort = 0 }: Socket) =>
    sources.push({ address: remoteAddress, port: remotePort }),
  );
  await probed({ ...check(port), timeoutMs: 100 });
  const machine = { address: '127.0.0.1', port };
  expect(sources.map((source) => own.has(source, machine))).toEqual([true]);
});

/** Comes once the other side has closed every connection. */
const closed = async (): Promise<number> =>
  (
    await until(
      () => [...sockets],
      ({ length }) => length === 0,
    )
  ).length;

describe('a probe by HTTP', () => {
  it('asks by GET for the path, with the endpoint as host, and takes the expected status alone', async () => {
    const asked: unknown[] = [];
    const port = await served(({ method, url, headers: { host, ...headers } }, answer) => {
      asked.push([method, url, host, Object.keys(headers)]);
      answer.writeHead(204).end();
    });
    await expect(probed(http(port, { path: '/up?deep=1', expectedStatus: 204 }))).resolves.toEqual(success);
    expect(asked).toEqual([['GET', '/up?deep=1', `127.0.0.1:${String(port)}`, ['connection']]]);
    await expect(probed(http(port))).resolves.toEqual(failure('it answered 204 instead of 200'));
  });

  it('follows no redirect', async () => {
    let asked = 0;
    const port = await served((_, answer) => {
      asked += 1;
      answer.writeHead(302, { location: '/elsewhere' }).end();
    });
    await expect(probed(http(port))).resolves.toEqual(failure('it answered 302 instead of 200'));
    await expect(probed(http(port, { expectedStatus: 302 }))).resolves.toEqual(success);
    expect(asked).toBe(2);
  });

  it('reads nothing of a body without end, and tells nothing of it', async () => {
    let written = 0;
    const port = await served((_, answer) => {
      answer.writeHead(500);
      const piece = Buffer.alloc(65_536, 'a secret');
      const write = (): void => {
        while (!answer.destroyed && answer.write(piece)) written += piece.length;
      };
      answer.on('drain', write);
      write();
    });
    await expect(probed(http(port))).resolves.toEqual(failure('it answered 500 instead of 200'));
    expect(await closed()).toBe(0);
    // What the kernel takes.
    expect(written).toBeLessThan(32 * 2 ** 20);
  });

  it('tells who changes the protocol by the status, and closes', async () => {
    const port = await spoken((socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: any\r\n\r\n');
    });
    await expect(probed(http(port))).resolves.toEqual(failure('it answered 101 instead of 200'));
    expect(await closed()).toBe(0);
  });

  it('does not verify a certificate', async () => {
    const port = await listening(
      createHttpsServer(selfSigned(), (_, answer) => {
        answer.end();
      }),
    );
    await expect(probed(http(port, { scheme: 'https' }))).resolves.toEqual(success);
    await expect(probed(http(port))).resolves.toEqual(failure(expect.any(String)));
  });

  it.each<[string, (socket: Socket) => void]>([
    ['says nothing', () => undefined],
    ['drips headers', (socket) => socket.write('HTTP/1.1 200 OK\r\nx-any: ')],
  ])('waits no longer than it may for who %s, and closes', async (_, serve) => {
    const port = await spoken(serve);
    await expect(probed(http(port, { timeoutMs: 100 }))).resolves.toEqual(late);
    expect(await closed()).toBe(0);
  });

  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.end()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['speaks something else', (socket) => socket.end('a secret\r\n\r\n')],
    [
      'sends headers without end',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nx-any: ${'a secret'.repeat(9_000)}`),
    ],
  ])('fails of who %s, and tells nothing of what that said', async (_, serve) => {
    const port = await spoken(serve);
    await expect(probed(http(port))).resolves.toEqual(
      failure(expect.not.stringContaining('secret') as unknown),
    );
    expect(await closed()).toBe(0);
  });
});

describe('a probe by TCP', () => {
  it('succeeds where somebody listens, and closes', async () => {
    const port = await spoken();
    await expect(probed(tcp(port))).resolves.toEqual(success);
    expect(await closed()).toBe(0);
  });

  it('fails where nobody does', async () => {
    const server = createServer();
    const port = await listening(server);
    await new Promise((done) => server.close(done));
    servers.splice(0);
    await expect(probed(tcp(port))).resolves.toEqual(failure(expect.stringContaining('ECONNREFUSED')));
    await expect(probed(http(port))).resolves.toEqual(failure(expect.stringContaining('ECONNREFUSED')));
  });
});

describe('the port of a probe', () => {
  const spec = { ...anInstance().spec, ports: [{ guest: 80 }] };

  it('is where the machine has it, if it is one of its ports', async () => {
    const port = await spoken();
    const asked: unknown[] = [];
    const addressOf = (...given: readonly unknown[]) => {
      asked.push(given);
      return { host: '127.0.0.1', port };
    };
    const outcome$ = probe(anInstance({ spec }), tcp(80), { ...nowhere, addressOf });
    await expect(firstValueFrom(outcome$)).resolves.toEqual({ kind: 'success' });
    expect(asked).toEqual([['a', 80]]);
  });

  it('is asked for by nobody where the machine has it not yet', async () => {
    await expect(firstValueFrom(probe(anInstance({ spec }), tcp(80), nowhere))).resolves.toEqual({
      kind: 'unasked',
      error: 'port 80 was added after the start of the instance',
    });
  });
});

describe('a probe by a program', () => {
  const exec: HealthCheck = { kind: 'exec', command: ['a-secret'], cwd: 'sub', ...clocks };

  const outcomeOf = (check$: Observable<CheckOutcome>): Promise<ProbeOutcome> =>
    firstValueFrom(probe(anInstance(), exec, { ...nowhere, check: () => check$ }));

  it.each<[string, Observable<CheckOutcome>, ProbeOutcome]>([
    ['code 0', of({ code: 0, signal: null }), { kind: 'success' }],
    ['another code', of({ code: 7, signal: null }), { kind: 'failure', error: 'it ended with code 7' }],
    ['a signal', of({ code: null, signal: 'SIGSEGV' }), { kind: 'failure', error: 'it ended with SIGSEGV' }],
    [
      'the end of its time',
      of({ code: null, signal: 'SIGKILL', timedOut: true }),
      { kind: 'failure', error: 'there was no answer within 5000 ms' },
    ],
    ['a start that fails', throwError(() => new Error('any')), { kind: 'failure', error: 'any' }],
    ['the end of the machine', of(), { kind: 'unasked', error: 'the machine is gone' }],
  ])('by %s', async (_, check$, outcome) => {
    await expect(outcomeOf(check$)).resolves.toEqual(outcome);
  });
});

it.each([
  ['EMFILE', 'unasked'],
  ['EADDRNOTAVAIL', 'unasked'],
  ['ECONNREFUSED', 'failure'],
])('%s makes a probe one that is told as %s', (code, kind) => {
  expect(failureOf(Object.assign(new Error('any'), { code }))).toEqual({ kind, error: 'any' });
});
