import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, NEVER, take, tap, toArray } from 'rxjs';
import { createLogFiles, type LogFiles } from '../../../src/drivers/host/logFiles.js';
import { followFrom } from '../../../src/drivers/host/logReader.js';
import { readinessOf } from '../../../src/drivers/host/readinessOf.js';
import type { Readiness } from '../../../src/lifecycle/instance.js';
import { freePort } from '../../support/freePort.js';

const folder = mkdtempSync(join(tmpdir(), 'readiness-'));
const sockets = new Set<Socket>();
const servers: Server[] = [];
let logs = 0;

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) {
    if (server.listening) await once(server.close(), 'close');
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function createLog(content = ''): LogFiles {
  const home = join(folder, String((logs += 1)));
  mkdirSync(join(home, 'logs'), { recursive: true });
  const log = createLogFiles(home);
  writeFileSync(log.path, content);
  return log;
}

/** Opens a server on a port, any if none is said; the test closes it. */
async function listen(server: Server, port = 0): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port on which nobody listens. */
/** Asks, and tells whether it is ready; `ready` comes when it is. */
function asking(readiness: Readiness, log = createLog(), logStart = 0) {
  let isReady = false;
  let stop = (): void => undefined;
  const ready = new Promise<void>((done, fail) => {
    const subscription = readinessOf(readiness, { log, logStart, run: undefined, pollMs: 2 }).subscribe({
      complete: () => {
        isReady = true;
        done();
      },
      error: fail,
    });
    stop = () => {
      subscription.unsubscribe();
    };
  });
  return { ready, stop, isReady: () => isReady };
}

/** Answers the requests with these one after another, the last for ever; counts them. */
function answering(...answers: readonly RequestListener[]): { readonly server: Server; asked(): number } {
  let asked = 0;
  const server = createHttpServer((request, response) => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    answer?.(request, response);
  });
  return { server, asked: () => asked };
}

const status =
  (code: number, headers: Record<string, string> = {}): RequestListener =>
  (_, response) => {
    response.writeHead(code, headers).end();
  };

describe('readiness by log', () => {
  const waitingFor = (pattern: string): Readiness => ({ kind: 'log', pattern });

  it('comes with the first line that matches, wherever in it', async () => {
    const log = createLog('starting\n');
    const { ready, isReady } = asking(waitingFor('listening on \\d+'), log);
    appendFileSync(log.path, 'listening on port\n');
    await log.read(0);
    expect(isReady()).toBe(false);
    appendFileSync(log.path, 'now listening on 80, at last\n');
    await ready;
  });

  it('comes when the line is finished, and not before', async () => {
    const log = createLog();
    const { ready, isReady } = asking(waitingFor('ready'), log);
    appendFileSync(log.path, 'ready');
    for (let looks = 0; looks < 5; looks += 1) await log.read(0);
    expect(isReady()).toBe(false);
    appendFileSync(log.path, '\n');
    await ready;
  });

  it('passes over what an earlier run has written', async () => {
    const log = createLog('ready\n');
    const { ready, isReady } = asking(waitingFor('ready'), log, await log.end());
    for (let looks = 0; looks < 5; looks += 1) await log.read(0);
    expect(isReady()).toBe(false);
    appendFileSync(log.path, 'ready again\n');
    await ready;
  });

  it('knows letters beyond those of ASCII, and looks at each line alone', async () => {
    const log = createLog('a\nb\n😀\n');
    const { ready, stop, isReady } = asking(waitingFor('a.b|^..$'), log);
    for (let looks = 0; looks < 5; looks += 1) await log.read(0);
    expect(isReady()).toBe(false);
    stop();
    await asking(waitingFor('^.$'), log).ready;
    void ready;
  });

  it('comes also after the log was laid aside', async () => {
    const log = createLog('one\n');
    const { ready } = asking(waitingFor('ready'), log);
    await log.rotate({ maxBytes: 1, keep: 1 });
    appendFileSync(log.path, 'ready\n');
    await ready;
  });

  it('is asked for again when the log could not be read', async () => {
    const log = createLog('ready\n');
    let reads = 0;
    const broken: LogFiles = {
      ...log,
      read: (place) => ((reads += 1) < 3 ? Promise.reject(new Error('EIO')) : log.read(place)),
    };
    await asking(waitingFor('ready'), broken).ready;
    expect(reads).toBeGreaterThanOrEqual(3);
  });
});

describe('readiness by a pattern', () => {
  it('never comes of one that can not be matched in linear time', async () => {
    const log = createLog('ready\n');
    const { isReady, stop } = asking({ kind: 'log', pattern: '(?=ready)' }, log);
    await asking({ kind: 'log', pattern: 'ready' }, log).ready;
    expect(isReady()).toBe(false);
    stop();
  });

  it('is looked for in pieces of 4 KiB, between which all others have their turn', async () => {
    let turns = 0;
    let open = true;
    const turn = (): void => {
      turns += 1;
      if (open) setImmediate(turn);
    };
    const turnAt: number[] = [];
    const bytes = Buffer.concat([Buffer.alloc(9 * 4_096, 'x'), Buffer.from('ready\n')]);
    const following = followFrom(
      {
        ...createLog(),
        read: (place) => Promise.resolve({ bytes: bytes.subarray(place), next: bytes.length, isRaw: true }),
      },
      0,
      { pollMs: 2, end$: NEVER },
      4_096,
    );
    setImmediate(turn);
    const lines = await lastValueFrom(
      following.pipe(
        tap(() => turnAt.push(turns)),
        take(10),
        toArray(),
      ),
    );
    open = false;
    expect(lines.map(({ text }) => text.length)).toEqual([...Array<number>(9).fill(4_096), 5]);
    expect(new Set(turnAt.slice(0, 9)).size).toBe(9);
  });

  it('comes of a line that is longer, if one of its pieces matches', async () => {
    const log = createLog(`${'x'.repeat(100_000)} ready\n`);
    await asking({ kind: 'log', pattern: 'ready$' }, log).ready;
  });
});

describe('readiness by port', () => {
  it('comes when somebody listens', async () => {
    const port = await listen(createServer());
    await asking({ kind: 'tcp', port }).ready;
  });

  it('comes when the port opens later, and the connection is closed', async () => {
    const port = await freePort();
    const { ready, isReady } = asking({ kind: 'tcp', port });
    const server = createServer();
    const connected = once(server, 'connection') as Promise<[Socket]>;
    expect(isReady()).toBe(false);
    await listen(server, port);
    await ready;
    const [socket] = await connected;
    socket.resume();
    if (!socket.destroyed) await once(socket, 'close');
    expect(sockets.size).toBe(0);
  });
});

describe('readiness by HTTP', () => {
  const at = (port: number, path = '/health'): Readiness => ({ kind: 'http', port, path });

  it.each([200, 204, 301, 304, 399])('comes with status %d', async (code) => {
    const { server, asked } = answering(status(code, { Location: '/elsewhere' }));
    await asking(at(await listen(server))).ready;
    // Nothing is followed.
    expect(asked()).toBe(1);
  });

  it.each([400, 401, 404, 500, 503, 599])(
    'does not come with status %d, but with a better one after it',
    async (code) => {
      const { server, asked } = answering(status(code), status(code), status(200));
      await asking(at(await listen(server))).ready;
      expect(asked()).toBe(3);
    },
  );

  it('is asked for by a GET of the path as it is', async () => {
    const heard: (string | undefined)[] = [];
    const { server } = answering((request, response) => {
      heard.push(request.method, request.url, request.headers.connection);
      response.end();
    });
    await asking(at(await listen(server), '/a%20b?c=d')).ready;
    expect(heard).toEqual(['GET', '/a%20b?c=d', 'close']);
  });

  it('comes when the server opens later', async () => {
    const port = await freePort();
    const { ready, isReady } = asking(at(port));
    expect(isReady()).toBe(false);
    await listen(answering(status(200)).server, port);
    await ready;
  });

  it('comes with the head of an answer, whose body may never end', async () => {
    const { server } = answering((_, response) => {
      response.writeHead(200).write('and so on');
    });
    await asking(at(await listen(server))).ready;
  });

  it('does not come from what is no HTTP, nor from a connection that is cut', async () => {
    const answers = [
      (socket: Socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n'),
      (socket: Socket) => socket.destroy(),
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'),
    ];
    let asked = 0;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      answers[asked]?.(socket);
      asked += 1;
    });
    await asking(at(await listen(server))).ready;
    expect(asked).toBe(3);
  });

  it('is asked for anew of a server that has not answered for 2 s', async () => {
    const closed: Promise<unknown>[] = [];
    const { server, asked } = answering((request) => {
      closed.push(once(request.socket, 'close'));
    }, status(200));
    await asking(at(await listen(server))).ready;
    expect(asked()).toBe(2);
    await Promise.all(closed);
  });

  it('is not asked for any more once nobody waits', async () => {
    const { server } = answering(() => undefined);
    const port = await listen(server);
    const asked = once(server, 'request') as Promise<[{ readonly socket: Socket }]>;
    const { stop, isReady } = asking(at(port));
    const [{ socket }] = await asked;
    stop();
    await once(socket, 'close');
    expect(isReady()).toBe(false);
  });
});
