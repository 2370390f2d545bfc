import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as t from 'io-ts';
import { defer, firstValueFrom, lastValueFrom, merge, retry, take, toArray } from 'rxjs';
import { connectQmp, longestSocketPath, type Qmp } from '../../../src/drivers/qemu/qmp.js';
import { createQmpLink } from '../../../src/drivers/qemu/qmpLink.js';

const greeting =
  '{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":22},"package":""},"capabilities":[]}}\r\n';

let folder: string;
let path: string;
let server: Server | undefined;
let qemu: ChildProcess | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qmp-'));
  path = join(folder, 's');
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  if (server !== undefined) await once(server.close(), 'close');
  server = undefined;
  if (qemu?.exitCode === null) {
    qemu.kill('SIGKILL');
    await once(qemu, 'exit');
  }
  qemu = undefined;
  rmSync(folder, { recursive: true });
});

interface Command {
  readonly execute: string;
  readonly id: number;
}

/** A server that plays QEMU: `play` is told each command but the first, which it answers itself. */
async function serve(play: (command: Command, socket: Socket) => void, hello = greeting): Promise<void> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(hello);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const command = JSON.parse(line) as Command;
        if (command.execute === 'qmp_capabilities') reply(socket, command.id, {});
        else play(command, socket);
      }
    });
  }).listen(path);
  await once(server, 'listening');
}

const say = (socket: Socket, message: object) => socket.write(`${JSON.stringify(message)}\r\n`);
const reply = (socket: Socket, id: number, value: unknown) => say(socket, { return: value, id });
const connected = (answerMs = 10_000): Promise<Qmp> => firstValueFrom(connectQmp(path, { answerMs }));
const text = (qmp: Qmp, command: string) => firstValueFrom(qmp.ask(command, t.string));

describe('a connection to QEMU', () => {
  it('tells the version, and gives each command its own reply, in whatever order they come', async () => {
    const asked: Command[] = [];
    await serve((command, socket) => {
      asked.push(command);
      if (asked.length < 3) return;
      for (const { id, execute } of asked.toReversed()) reply(socket, id, `of ${execute}`);
    });
    const qmp = await connected();
    expect(qmp.version).toBe('7.2.22');
    await expect(Promise.all(['a', 'b', 'c'].map((command) => text(qmp, command)))).resolves.toEqual([
      'of a',
      'of b',
      'of c',
    ]);
    qmp.close();
  });

  it('does nothing before it is subscribed to', async () => {
    const asked: string[] = [];
    await serve(({ execute, id }, socket) => {
      asked.push(execute);
      reply(socket, id, 'done');
    });
    const qmp = await connected();
    void qmp.run('never');
    await text(qmp, 'asked');
    expect(asked).toEqual(['asked']);
    qmp.close();
  });

  it('tells events apart from replies, also what comes before the reply', async () => {
    await serve(({ id }, socket) => {
      socket.write(
        `{"event":"STOP","timestamp":{}}\r\n{"event":"X","data":{"a":1}}\r\n{"return":"ä€😀","id":${String(id)}}\r\n`,
      );
    });
    const qmp = await connected();
    const events = lastValueFrom(qmp.events$.pipe(take(2), toArray()));
    await expect(text(qmp, 'stop')).resolves.toBe('ä€😀');
    await expect(events).resolves.toEqual([
      { event: 'STOP', data: undefined },
      { event: 'X', data: { a: 1 } },
    ]);
    qmp.close();
  });

  it('understands what comes byte by byte, in the middle of a character too', async () => {
    await serve(({ id }, socket) => {
      const bytes = Buffer.from(`{"return":"ä€😀","id":${String(id)}}\r\n`);
      const next = (index: number): void => {
        if (index < bytes.length)
          socket.write(bytes.subarray(index, index + 1), () => {
            setImmediate(next, index + 1);
          });
      };
      next(0);
    });
    const qmp = await connected();
    await expect(text(qmp, 'slowly')).resolves.toBe('ä€😀');
    qmp.close();
  });

  it('fails a command that is refused, in the words of QEMU', async () => {
    await serve(({ id }, socket) => say(socket, { error: { class: 'GenericError', desc: 'not now' }, id }));
    const qmp = await connected();
    await expect(text(qmp, 'cont')).rejects.toThrow('QEMU refused "cont": not now (GenericError)');
    qmp.close();
  });

  it('names what is wrong with an answer', async () => {
    await serve(({ id }, socket) => reply(socket, id, { status: 3 }));
    const qmp = await connected();
    const asked = firstValueFrom(qmp.ask('query-status', t.type({ status: t.string })));
    await expect(asked).rejects.toThrow('QEMU answered "query-status" with status: 3, not string');
    qmp.close();
  });

  it('fails a command that is not answered in time, and goes on', async () => {
    await serve(({ execute, id }, socket) => {
      if (execute === 'quick') reply(socket, id, 'here');
    });
    const qmp = await connected(1_000);
    await expect(text(qmp, 'hang')).rejects.toThrow('QEMU has not answered "hang" within 1000 ms');
    await expect(text(qmp, 'quick')).resolves.toBe('here');
    qmp.close();
  });

  it.each([
    ['the end of it', (socket: Socket) => socket.end()],
    ['a server that is gone', (socket: Socket) => socket.destroy()],
    ['what is no JSON', (socket: Socket) => socket.write('nonsense\r\n')],
    ['what is no message', (socket: Socket) => socket.write('{"a":1}\r\n')],
    ['a line without an end', (socket: Socket) => socket.write('x'.repeat(17 * 1_024 * 1_024))],
  ])('fails all that is not answered, and completes its events, at %s', async (_, end) => {
    await serve(({ execute }, socket) => {
      if (execute === 'b') end(socket);
    });
    const qmp = await connected();
    const events = lastValueFrom(qmp.events$, { defaultValue: 'completed' });
    const [a, b] = await Promise.allSettled([text(qmp, 'a'), text(qmp, 'b')]);
    expect([a, b].map((each) => each.status)).toEqual(['rejected', 'rejected']);
    await expect(events).resolves.toBe('completed');
    await expect(text(qmp, 'later')).rejects.toThrow('QEMU is gone and has not answered "later"');
  });

  it.each([
    ['says nothing', '', 'QEMU has not greeted; it serves one client at a time within 50 ms'],
    ['says something else', '{"hello":1}\r\n', ''],
  ])('is not made to one that %s', async (_, hello, message) => {
    await serve(() => undefined, hello);
    await expect(connected(50)).rejects.toThrow(message);
  });

  it('is not made by a path that is too long, and is by the longest', async () => {
    const longest = join(folder, 'x'.repeat(longestSocketPath - Buffer.byteLength(folder) - 1));
    path = `${longest}x`;
    await expect(connected()).rejects.toThrow(`has at most 107 bytes, and this one 108: ${path}`);
    path = longest;
    await serve(() => undefined);
    (await connected()).close();
  });

  it('is not made where nobody listens', async () => {
    await expect(connected()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('the one connection to a QEMU', () => {
  it('is given up when it is closed before QEMU has greeted', async () => {
    await serve(() => undefined, '');
    const link = createQmpLink(path);
    const used = lastValueFrom(link.use(({ run }) => run('a')));
    const [socket] = (await once(server as Server, 'connection')) as [Socket];
    const closed = once(socket, 'close');
    link.close();
    await expect(used).rejects.toThrow('the connection to QEMU was closed');
    await closed;
  });

  it('is made once for all who use it, and anew when it was lost', async () => {
    await serve(({ execute, id }, socket) => {
      if (execute === 'die') socket.destroy();
      else reply(socket, id, execute);
    });
    const link = createQmpLink(path);
    const ask = (command: string) => link.use((qmp) => qmp.ask(command, t.string));
    await lastValueFrom(merge(ask('a'), ask('b'), ask('c')));
    expect(sockets).toHaveLength(1);
    await expect(lastValueFrom(ask('die'))).rejects.toThrow('QEMU is gone');
    await expect(lastValueFrom(ask('d'))).resolves.toBe('d');
    expect(sockets).toHaveLength(2);
    link.close();
  });

  it('is tried again after it could not be made', async () => {
    const link = createQmpLink(path);
    const asked$ = link.use((qmp) => qmp.ask('a', t.string));
    await expect(lastValueFrom(asked$)).rejects.toMatchObject({ code: 'ENOENT' });
    await serve(({ id }, socket) => reply(socket, id, 'here'));
    await expect(lastValueFrom(asked$)).resolves.toBe('here');
    link.close();
  });
});

describe('a real QEMU', () => {
  it('is talked to, serves one client at a time, and is quit', async () => {
    const args = ['-machine', 'none', '-display', 'none', '-nodefaults', '-S'];
    qemu = spawn('qemu-system-x86_64', [...args, '-qmp', `unix:${path},server=on,wait=off`], { cwd: folder });
    const exit = once(qemu, 'exit');
    const qmp = await lastValueFrom(defer(() => connectQmp(path)).pipe(retry({ delay: 5, count: 2_000 })));
    const status = t.type({ status: t.string });
    await expect(lastValueFrom(qmp.ask('query-status', status))).resolves.toMatchObject({
      status: 'prelaunch',
    });
    await expect(lastValueFrom(qmp.run('no-such-command'))).rejects.toThrow('has not been found');
    await expect(connected(100)).rejects.toThrow('QEMU has not greeted');
    const events = lastValueFrom(qmp.events$.pipe(toArray()));
    await lastValueFrom(qmp.run('quit'), { defaultValue: undefined }).catch(() => undefined);
    expect(await exit).toEqual([0, null]);
    expect(await events).toContainEqual(expect.objectContaining({ event: 'SHUTDOWN' }));
  });
});
