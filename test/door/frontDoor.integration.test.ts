import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { firstValueFrom, NEVER, Subject, throwError, toArray, takeUntil } from 'rxjs';
import type { Instance } from '../../src/lifecycle/instance.js';
import { collectGarbage } from '../support/collectGarbage.js';
import { until } from '../support/until.js';
import { Client, comes, DoorStage, id, keptIn } from './doorStage.js';
import { freePort } from '../support/freePort.js';

let stage: DoorStage;
beforeEach(() => {
  stage = new DoorStage();
});
afterEach(() => {
  stage.end();
});

describe('a front door before a Running instance', () => {
  beforeEach(() => {
    stage.manager.set('Running');
  });

  it('hands clients through, and what they say', async () => {
    await stage.machine();
    const client = stage.client(await stage.open());
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes).toStrictEqual([]);
  });

  it('hands through a client that says nothing, so that the server can speak first', async () => {
    await stage.machine((socket) => socket.write('220 ready'));
    const client = stage.client(await stage.open());
    expect(await client.hears('220 ready')).toBe('220 ready');
  });

  it('ends the half that the client ends, and hands on the answer that comes after', async () => {
    await stage.machine((socket) => {
      socket.on('end', () => socket.end('all of it'));
    });
    const client = stage.client(await stage.open());
    client.socket.end('a question');
    expect(await client.ended()).toBe('fin');
    expect(client.received).toBe('all of it');
  });

  it('ends the half that the machine ends, and hands on what the client says after', async () => {
    const machine = await stage.machine((socket) => socket.end('bye'));
    const client = stage.client(await stage.open());
    expect(await client.ended()).toBe('fin');
    client.socket.end('and this');
    expect(
      await until(
        () => machine.heard.join(''),
        (heard) => heard === 'and this',
      ),
    ).toBe('and this');
  });

  it('hands on a half that the machine ends without a word, once it is known that it runs on', async () => {
    const machine = await stage.machine((socket) => socket.once('data', () => socket.end()));
    const client = stage.client(await stage.open());
    client.socket.write('hello');
    expect(await client.ended()).toBe('fin');
    expect(stage.manager.refreshes).toBe(1);
    client.socket.write(' again');
    expect(await comes(() => machine.heard.join('') === 'hello again')).toBe(true);
  });

  it('resets the client when the machine resets', async () => {
    await stage.machine((socket) => {
      socket.write('x');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const client = stage.client(await stage.open());
    await client.hears('x');
    client.socket.write('hello');
    expect(await client.ended()).toBe('rst');
  });

  it('resets the machine when the client resets', async () => {
    let error: unknown;
    await stage.machine((socket) => {
      socket.on('error', (thrown) => (error = thrown)).write('x');
    });
    const client = stage.client(await stage.open());
    await client.hears('x');
    client.socket.resetAndDestroy();
    await comes(() => error !== undefined);
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it.each(['client', 'machine'])('reads no faster than the %s reads', async (slow) => {
    const many = 64 * 2 ** 20;
    let sent = 0;
    const pour = (socket: {
      write(bytes: Buffer): boolean;
      once(event: 'drain', on: () => void): unknown;
    }): void => {
      while (sent < many && socket.write(Buffer.alloc(65_536))) sent += 65_536;
      if (sent < many)
        socket.once('drain', () => {
          sent += 65_536;
          pour(socket);
        });
    };
    let got = 0;
    let resume: () => void = () => undefined;
    await stage.machine((socket) => {
      socket.write('x');
      if (slow === 'client') pour(socket);
      else {
        socket.on('data', (bytes) => (got += bytes.length));
        setImmediate(() => socket.pause());
        resume = () => socket.resume();
      }
    });
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.removeAllListeners('data');
    if (slow === 'machine') {
      client.socket.resume();
      await comes(() => client.socket.bytesRead > 0 && got === 0);
      pour(client.socket);
    } else {
      client.socket.pause();
      client.socket.on('data', (bytes) => (got += bytes.length)).pause();
      resume = () => client.socket.resume();
    }
    // What the kernel holds for four sockets, and no more.
    let before = -1;
    for (let same = 0; same < 200;) {
      await new Promise(setImmediate);
      same = sent === before ? same + 1 : 0;
      before = sent;
    }
    expect(sent).toBeLessThan(48 * 2 ** 20);
    resume();
    expect(await comes(() => got >= many)).toBe(true);
  });

  it('tells who is connected, from the moment at which they come until both sides have ended', async () => {
    await stage.machine();
    const door = await stage.open();
    const told: string[] = [];
    const listening = door.connections.changes$.subscribe((change) => told.push(change.kind));
    const client = stage.client(door);
    client.socket.write('x');
    await client.hears('x');
    const [connection, ...others] = await firstValueFrom(door.connections.read());
    expect(others).toStrictEqual([]);
    expect(connection).toStrictEqual({
      instanceId: id,
      guest: 80,
      source: { address: '127.0.0.1', port: client.socket.localPort },
      since: connection?.since,
    });
    client.socket.end();
    await comes(() => told.length === 2);
    expect(told).toStrictEqual(['opened', 'closed']);
    expect(await firstValueFrom(door.connections.read())).toStrictEqual([]);
    expect(door.stats()).toMatchObject({ open: 0, waiting: 0, heldBytes: 0, accepted: 1 });
    listening.unsubscribe();
  });

  it('resets one more connection than a port may have', async () => {
    await stage.machine();
    const door = await stage.open({ maxConnections: 2 });
    const clients = [stage.client(door), stage.client(door)];
    for (const client of clients) {
      client.socket.write('x');
      await client.hears('x');
    }
    expect(await stage.client(door).ended()).toBe('rst');
    expect(door.stats().refused.limit).toBe(1);
    expect(clients.map(({ end }) => end)).toStrictEqual([undefined, undefined]);
  });

  it('keeps a client until a machine that has just started listens', async () => {
    const machine = await stage.machine();
    const { port } = stage.manager.machines.get(id) ?? { port: 0 };
    machine.server.close();
    const door = await stage.open();
    const clients = [stage.client(door), stage.client(door)];
    for (const client of clients) client.socket.write('hello');
    await comes(() => stage.manager.refreshes > 2);
    await stage.machine(undefined, port);
    for (const client of clients) expect(await client.hears('hello')).toBe('hello');
  });

  it('keeps a client while nobody knows yet where the machine listens', async () => {
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    expect(await comes(() => stage.manager.refreshes > 2)).toBe(true);
    await stage.machine();
    expect(await client.hears('hello')).toBe('hello');
  });

  it('hands on all that a client said last, to a machine that has ended its half and reads slowly', async () => {
    let got = 0;
    let resume: () => void = () => undefined;
    await stage.machine((socket) => {
      socket.on('data', (bytes) => (got += bytes.length)).end('bye');
      setImmediate(() => socket.pause());
      resume = () => socket.resume();
    });
    const door = await stage.open();
    const client = stage.client(door);
    expect(await client.ended()).toBe('fin');
    const many = 8 * 2 ** 20;
    const closed = once(client.socket, 'close');
    client.socket.end(Buffer.alloc(many));
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    resume();
    await closed;
    expect(await comes(() => got === many)).toBe(true);
  });

  it('holds nothing any more of a client that has said more than may be held', async () => {
    const machine = await stage.machine(() => undefined);
    const heard = (): number => machine.heard.join('').length;
    const door = await stage.open({ maxHeldBytes: 1_000 });
    const client = stage.client(door);
    client.socket.write('x');
    expect(await comes(() => heard() === 1 && door.stats().heldBytes > 0)).toBe(true);
    client.socket.write('x'.repeat(2_000));
    expect(await comes(() => heard() === 2_001)).toBe(true);
    client.socket.write('x');
    expect(await comes(() => heard() === 2_002)).toBe(true);
    expect(door.stats().heldBytes).toBe(0);
  });

  it('reads what a client says before the machine has taken it, and sees it go', async () => {
    // Its backlog is full, so that a connect stays under way.
    const { port } = await fullServer();
    stage.manager.machines.set(id, { host: '127.0.0.1', port });
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    expect(await comes(() => door.stats().heldBytes > 0)).toBe(true);
    client.socket.resetAndDestroy();
    expect(await comes(() => door.stats().open === 0)).toBe(true);
    expect(door.stats()).toMatchObject({ waiting: 0, heldBytes: 0 });
  });

  it('resets a client of a machine that has run for long and does not listen', async () => {
    const machine = await stage.machine();
    machine.server.close();
    const wakeTimeoutMs = 500;
    const door = await stage.open({ wakeTimeoutMs });
    const openedAt = performance.now();
    await comes(() => performance.now() - openedAt > wakeTimeoutMs);
    expect(await stage.client(door).ended()).toBe('rst');
    expect(door.stats().refused).toMatchObject({ timeout: 0, unreachable: 1 });
  });

  it('resets connections when the instance is deleted, and closes the port', async () => {
    await stage.machine();
    const door = await stage.open();
    const port = door.status(id)[0]?.address?.port ?? 0;
    const client = stage.client(door);
    client.socket.write('x');
    await client.hears('x');
    stage.manager.delete();
    expect(await client.ended()).toBe('rst');
    expect(door.status(id)).toStrictEqual([]);
    const late = new Client(port);
    expect(await late.ended()).toBe('rst');
  });

  it('hands on what a machine last wrote when it stops, and resets who is left after a while', async () => {
    await stage.machine((socket) => {
      socket.on('data', (bytes) => {
        if (String(bytes) === 'last') socket.end('words');
        else socket.write(bytes);
      });
    });
    const door = await stage.open({ drainMs: 50 });
    const [asking, silent] = [stage.client(door), stage.client(door)];
    silent.socket.write('x');
    await silent.hears('x');
    asking.socket.write('last');
    stage.manager.set('Stopped');
    expect(await asking.ended()).toBe('fin');
    expect(asking.received).toBe('words');
    expect(await silent.ended()).toBe('rst');
  });

  it('waits with a client until an Initializing instance is ready', async () => {
    await stage.machine();
    stage.manager.set('Initializing');
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    await comes(() => door.stats().heldBytes > 0);
    expect(door.stats().waiting).toBe(1);
    stage.manager.set('Running');
    expect(await client.hears('hello')).toBe('hello');
  });
});

describe('a front door before an instance on Standby', () => {
  beforeEach(() => {
    stage.manager.set('Standby');
  });

  it('restores it for a client that comes, with the cause', async () => {
    await stage.machine();
    const client = stage.client(await stage.open());
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes).toStrictEqual([
      { verb: 'restore', options: { by: 'front_door', reason: 'connection', timeoutMs: 60_000 } },
    ]);
  });

  it('restores it for a client that says nothing', async () => {
    await stage.machine((socket) => socket.write('220 ready'));
    const client = stage.client(await stage.open());
    expect(await client.hears('220 ready')).toBe('220 ready');
  });

  it('holds what a client says meanwhile, in its order, and its end', async () => {
    await stage.machine();
    const awake = new Subject<Instance>();
    stage.manager.onWake = () => awake;
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('one ');
    await comes(() => door.stats().heldBytes > 0);
    client.socket.end('two');
    await comes(() => client.socket.writableFinished);
    awake.next(stage.manager.set('Running'));
    awake.complete();
    expect(await client.ended()).toBe('fin');
    expect(client.received).toBe('one two');
  });

  it('holds no more of a client than it may, and loses nothing', async () => {
    await stage.machine();
    const awake = new Subject<Instance>();
    stage.manager.onWake = () => awake;
    const door = await stage.open({ maxHeldBytes: 10_000 });
    const client = stage.client(door);
    const all = Array.from({ length: 200_000 }, (_, index) => String(index)).join();
    client.socket.write(all);
    expect(await comes(() => door.stats().heldBytes >= 10_000)).toBe(true);
    const { heldBytes } = door.stats();
    expect(heldBytes).toBeLessThan(10_000 + 66_000);
    stage.manager.set('Running');
    awake.next(stage.manager.get());
    awake.complete();
    await until(
      () => client.received.length,
      (length) => length === all.length,
    );
    expect(client.received === all).toBe(true);
    expect(door.stats().heldBytes).toBe(0);
  });

  it('reads no client when all together have as much as they may', async () => {
    await stage.machine();
    stage.manager.onWake = () => NEVER;
    const door = await stage.open({ maxHeldBytes: 10_000, maxHeldBytesInAll: 5_000 });
    const clients = Array.from({ length: 8 }, () => stage.client(door));
    clients[0]?.socket.write('x'.repeat(20_000));
    expect(await comes(() => door.stats().heldBytes >= 5_000)).toBe(true);
    const { heldBytes } = door.stats();
    const late = Array.from({ length: 8 }, () => stage.client(door));
    for (const client of late) client.socket.write('x'.repeat(20_000));
    await comes(
      () => door.stats().accepted === 16 && late.every(({ socket }) => socket.writableLength === 0),
    );
    expect(door.stats().heldBytes).toBeLessThan(heldBytes + 66_000);
  });

  it('wakes it once for a thousand clients, and answers them all', async () => {
    await stage.machine();
    const awake = new Subject<Instance>();
    stage.manager.onWake = () => awake;
    const door = await stage.open();
    const clients = Array.from({ length: 1_000 }, () => stage.client(door));
    clients.forEach((client, index) => client.socket.write(`I am ${String(index)}`));
    await comes(() => door.stats().waiting === 1_000);
    awake.next(stage.manager.set('Running'));
    awake.complete();
    await comes(() => clients.every((client, index) => client.received === `I am ${String(index)}`));
    expect(clients.filter((client, index) => client.received !== `I am ${String(index)}`)).toHaveLength(0);
    expect(stage.manager.wakes).toHaveLength(1);
    expect(door.stats()).toMatchObject({ woken: 1, waiting: 0, open: 1_000, heldBytes: 0 });
  });

  it('resets those who wait when it cannot be woken, and those who come soon after', async () => {
    stage.manager.onWake = () => throwError(() => new Error('no memory'));
    const warned: string[] = [];
    const logger = { warn: (_: object, message: string) => void warned.push(message) };
    const door = await stage.open({ logger });
    const clients = [stage.client(door), stage.client(door), stage.client(door)];
    for (const client of clients) expect(await client.ended()).toBe('rst');
    expect(await stage.client(door).ended()).toBe('rst');
    expect(stage.manager.wakes).toHaveLength(1);
    const { failedWakes, woken, refused } = door.stats();
    expect([failedWakes, woken]).toStrictEqual([1, 0]);
    expect(refused.wake_failed + refused.backing_off).toBe(4);
    expect(warned).toStrictEqual(['an instance could not be woken: no memory']);
  });

  it('wakes it again once the pause after a failed wake is over', async () => {
    await stage.machine();
    const { onWake } = stage.manager;
    stage.manager.onWake = () => throwError(() => new Error('no memory'));
    const door = await stage.open();
    await stage.client(door).ended();
    stage.manager.onWake = onWake;
    let client = stage.client(door);
    for (let end = await first(client); end === 'rst'; end = await first(client)) client = stage.client(door);
    expect(client.received).toBe('x');
    expect(stage.manager.wakes).toHaveLength(2);
  });

  it('counts a client once that is refused twice', async () => {
    stage.manager.onWake = () => throwError(() => new Error('no memory'));
    const door = await stage.open();
    const hearing = door.decisions$.subscribe(() => {
      stage.manager.delete();
    });
    expect(await stage.client(door).ended()).toBe('rst');
    expect(door.stats().refused).toMatchObject({ not_running: 1, wake_failed: 0 });
    hearing.unsubscribe();
  });

  it('counts a client that waits at a port that is taken away as refused', async () => {
    stage.manager.onWake = () => NEVER;
    const door = await stage.open();
    const client = stage.client(door);
    await comes(() => door.stats().waiting === 1);
    stage.manager.ports = [{ guest: 81 }];
    stage.manager.set('Standby');
    expect(await client.ended()).toBe('rst');
    expect(Object.entries(door.stats().refused).filter(([, count]) => count !== 0)).toStrictEqual([
      ['not_running', 1],
    ]);
  });

  it('wakes it again for who still waits when it was put to rest before the wake was told', async () => {
    await stage.machine();
    const { onWake } = stage.manager;
    const awake = new Subject<Instance>();
    stage.manager.onWake = () => awake;
    stage.manager.machines.clear();
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    await comes(() => stage.manager.wakes.length === 1);
    const running = stage.manager.set('Initializing');
    stage.manager.set('Standby');
    stage.manager.onWake = onWake;
    await stage.machine();
    awake.next(running);
    awake.complete();
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes).toHaveLength(2);
  });

  it('does not count a wake as failed to which somebody else was quicker', async () => {
    await stage.machine();
    stage.manager.onWake = () => {
      stage.manager.set('Running');
      return throwError(() => new Error('it is Running'));
    };
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(door.stats().failedWakes).toBe(0);
  });

  it('resets a client after as long as it may wait', async () => {
    stage.manager.onWake = () => NEVER;
    const door = await stage.open({ wakeTimeoutMs: 50 });
    const clients = [stage.client(door), stage.client(door)];
    for (const client of clients) expect(await client.ended()).toBe('rst');
    await comes(() => door.stats().open === 0);
    expect(door.stats()).toMatchObject({ open: 0, waiting: 0, refused: { timeout: 2 } });
  });

  it('lets go of clients that leave while they wait', async () => {
    stage.manager.onWake = () => NEVER;
    const door = await stage.open();
    const clients = Array.from({ length: 20 }, () => stage.client(door));
    for (const client of clients) client.socket.write('hello');
    await comes(() => door.stats().heldBytes > 20 * 250);
    // One that does not know yet that it is connected would end its half first.
    await comes(() => clients.every(({ socket }) => !socket.connecting));
    for (const { socket } of clients) socket.resetAndDestroy();
    await comes(() => door.stats().open === 0);
    expect(door.stats()).toMatchObject({ open: 0, waiting: 0, heldBytes: 0 });
  });

  it('refuses clients where it must not be woken', async () => {
    stage.manager.ports = [{ guest: 80, wake: 'never' }];
    const door = await stage.open();
    expect(await stage.client(door).ended()).toBe('rst');
    expect(stage.manager.wakes).toStrictEqual([]);
    expect(door.stats().refused.not_running).toBe(1);
  });

  it('wakes nobody once the manager closes', async () => {
    const door = await stage.open();
    stage.manager.closing();
    expect(await stage.client(door).ended()).toBe('rst');
    expect(stage.manager.wakes).toStrictEqual([]);
    expect(door.stats().refused.closing).toBe(1);
  });

  it.each(['backlog of one that stands still', 'silence'])('bears 200 clients in the %s', async (kind) => {
    const machine = await stage.machine();
    stage.manager.onWake = () => NEVER;
    if (kind !== 'silence') stage.manager.set('Running');
    machine.freeze();
    const door = await stage.open();
    const silent = Array.from({ length: 200 }, () => stage.client(door));
    await comes(() => door.stats().open === 200);
    await collectGarbage();
    expect(door.stats()).toMatchObject({ open: 200, heldBytes: 0 });
    door.close();
    for (const client of silent) expect(await client.ended()).toBe('rst');
    expect(door.stats().open).toBe(0);
    machine.thaw();
  });
});

/** Starts a server that stands still, with so many in its backlog that the kernel takes nobody more: to connect stays under way. */
async function fullServer(): Promise<{ readonly port: number }> {
  const program =
    "const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))";
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  stage.atEnd(() => child.kill('SIGKILL'));
  const [told] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(String(told));
  child.kill('SIGSTOP');
  const waiting = Array.from({ length: 4 }, () => new Client(port));
  stage.atEnd(() => {
    for (const { socket } of waiting) socket.destroy();
  });
  await comes(() => waiting.filter(({ socket }) => !socket.connecting).length === 2);
  return { port };
}

/** What comes first: an answer or an end. */
async function first(client: Client): Promise<string | undefined> {
  client.socket.write('x');
  await comes(() => client.end !== undefined || client.received === 'x');
  return client.end;
}

describe('a front door before a Stopped instance', () => {
  beforeEach(() => {
    stage.manager.set('Stopped');
  });

  it('refuses clients', async () => {
    const door = await stage.open();
    expect(await stage.client(door).ended()).toBe('rst');
    expect(stage.manager.wakes).toStrictEqual([]);
  });

  it('starts it where that is asked for', async () => {
    stage.manager.ports = [{ guest: 80, wake: 'stopped' }];
    await stage.machine();
    const client = stage.client(await stage.open());
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes.map(({ verb }) => verb)).toStrictEqual(['start']);
  });
});

describe('a standby that is being written down', () => {
  it('is undone for a client that came to a machine that stands still', async () => {
    stage.manager.set('Running');
    const machine = await stage.machine();
    stage.manager.onWake = () => {
      machine.thaw();
      return new Subject<Instance>();
    };
    const door = await stage.open();
    machine.freeze();
    const [speaking, silent] = [stage.client(door), stage.client(door)];
    speaking.socket.write('hello');
    await comes(() => door.stats().open === 2 && door.stats().waiting === 0 && door.stats().heldBytes > 0);
    expect(speaking.received).toBe('');
    stage.manager.set('Standby');
    expect(await speaking.hears('hello')).toBe('hello');
    silent.socket.write('me too');
    expect(await silent.hears('me too')).toBe('me too');
    expect(stage.manager.wakes).toHaveLength(1);
  });

  it('is undone for a client on whom the machine has gone, which another one is told all of', async () => {
    stage.manager.set('Running');
    const first = await stage.machine(() => undefined);
    const writtenDown = new Subject<Instance>();
    stage.manager.onRefresh = () => writtenDown;
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('hello');
    await comes(() => first.heard.length > 0);
    first.end();
    await comes(() => stage.manager.refreshes > 0);
    client.socket.write(' again');
    await stage.machine();
    writtenDown.next(stage.manager.set('Standby'));
    writtenDown.complete();
    expect(await client.hears('hello again')).toBe('hello again');
    expect(stage.manager.wakes).toHaveLength(1);
  });

  it('is undone for a client whom the machine refuses', async () => {
    stage.manager.set('Running');
    const first = await stage.machine();
    const door = await stage.open({ wakeTimeoutMs: 5_000 });
    first.end();
    stage.manager.onRefresh = () => {
      stage.manager.onRefresh = () => NEVER;
      return [stage.manager.set('Standby')] as never;
    };
    const second = await stage.machine();
    stage.manager.machines.set(id, { host: '127.0.0.1', port: 1 });
    stage.manager.onWake = () => {
      stage.manager.machines.set(id, {
        host: '127.0.0.1',
        port: (second.server.address() as AddressInfo).port,
      });
      return [stage.manager.set('Running')] as never;
    };
    const client = stage.client(door);
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes).toHaveLength(1);
  });

  it('is undone for a client that has waited for its answer for longer than a race lasts', async () => {
    stage.manager.set('Running');
    const machine = await stage.machine();
    stage.manager.onWake = () => {
      machine.thaw();
      return [stage.manager.set('Running')] as never;
    };
    const door = await stage.open({ raceMs: 0 });
    machine.freeze();
    const client = stage.client(door);
    client.socket.write('hello');
    await comes(() => door.stats().waiting === 0 && door.stats().heldBytes > 0);
    stage.manager.set('Standby');
    expect(await client.hears('hello')).toBe('hello');
  });

  it('is undone for a client that is only being connected to the machine when it is told', async () => {
    stage.manager.set('Running');
    const machine = await stage.machine();
    machine.freeze();
    stage.manager.onWake = () => {
      machine.thaw();
      return [stage.manager.set('Running')] as never;
    };
    const door = await stage.open();
    const hearing = door.connections.changes$.subscribe(({ kind }) => {
      if (kind === 'opened') queueMicrotask(() => stage.manager.set('Standby'));
    });
    const client = stage.client(door);
    await comes(() => stage.manager.wakes.length > 0);
    client.socket.write('hello');
    expect(await client.hears('hello')).toBe('hello');
    expect(stage.manager.wakes).toHaveLength(1);
    hearing.unsubscribe();
  });

  it('is asked about once more for a machine that goes while it is asked about another', async () => {
    stage.manager.set('Running');
    const machine = await stage.machine(() => undefined);
    const [first, second] = [new Subject<Instance>(), new Subject<Instance>()];
    const door = await stage.open();
    const clients = [stage.client(door), stage.client(door)];
    stage.manager.onRefresh = () => (stage.manager.refreshes === 1 ? first : second);
    for (const client of clients) client.socket.write('x');
    await comes(() => machine.heard.length === 2);
    const [one, other] = [...machine.sockets];
    one?.destroy();
    await comes(() => stage.manager.refreshes === 1);
    other?.destroy();
    await comes(() => machine.sockets.size === 0);
    // The end of the other is on its way.
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    first.next(stage.manager.get());
    first.complete();
    expect(await comes(() => stage.manager.refreshes === 2)).toBe(true);
    expect(clients.filter(({ end }) => end !== undefined).length).toBeLessThan(2);
    second.next(stage.manager.get());
    second.complete();
    for (const client of clients) expect(await client.ended()).not.toBe(undefined);
  });

  it('is left as it is for connections on which nobody waits, until one of them speaks', async () => {
    stage.manager.set('Running');
    const machine = await stage.machine();
    stage.manager.onWake = () => {
      machine.thaw();
      return [stage.manager.set('Running')] as never;
    };
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('x');
    await client.hears('x');
    machine.freeze();
    stage.manager.set('Standby');
    await new Promise(setImmediate);
    expect(stage.manager.wakes).toHaveLength(0);
    expect(client.end).toBe(undefined);
    client.socket.write('y');
    expect(await client.hears('xy')).toBe('xy');
    expect(stage.manager.wakes).toHaveLength(1);
  });
});

describe('a connection that has outlasted a standby', () => {
  it('stays when the instance sleeps again and cannot be woken for another', async () => {
    stage.manager.set('Running');
    await stage.machine();
    const { onWake } = stage.manager;
    const door = await stage.open();
    const client = stage.client(door);
    client.socket.write('a');
    await client.hears('a');
    stage.manager.set('Standby');
    client.socket.write('b');
    expect(await client.hears('ab')).toBe('ab');
    client.socket.write('c');
    expect(await client.hears('abc')).toBe('abc');
    stage.manager.onWake = () => throwError(() => new Error('no memory'));
    stage.manager.set('Standby');
    expect(await stage.client(door).ended()).toBe('rst');
    expect(client.end).toBe(undefined);
    stage.manager.onWake = onWake;
  });
});

describe('the address of a port', () => {
  it('is used all the same where it cannot be kept, which is told', async () => {
    const warned: string[] = [];
    stage.manager.set('Running');
    const door = await stage.open({
      keptPorts: { ...keptIn(new Map()), save: () => throwError(() => new Error('no room')) },
      logger: { warn: (_, message) => void warned.push(message) },
    });
    expect(door.status(id)[0]?.state).toBe('listening');
    expect(warned).toStrictEqual(['the port that was chosen could not be kept']);
  });

  it('is forgotten with the instance', async () => {
    const forgotten: string[] = [];
    stage.manager.set('Running');
    await stage.open({
      keptPorts: { ...keptIn(new Map()), forget: (instanceId) => void forgotten.push(instanceId) },
    });
    stage.manager.delete();
    expect(forgotten).toStrictEqual([id]);
  });

  it('stays the same over every state, and for the door of the next manager', async () => {
    const ports = new Map<string, number>();
    const keptPorts = keptIn(ports);
    stage.manager.set('Running');
    const door = await stage.open({ keptPorts });
    const address = door.status(id)[0]?.address;
    expect([...ports.values()]).toStrictEqual([address?.port]);
    for (const state of ['Standby', 'Running', 'Stopped', 'Initializing', 'Running'] as const) {
      stage.manager.set(state);
      expect(door.status(id)).toStrictEqual([{ instanceId: id, guest: 80, state: 'listening', address }]);
    }
    door.close();
    const next = await stage.open({ keptPorts });
    expect(next.status(id)[0]?.address).toStrictEqual(address);
  });

  it('is the one that was asked for', async () => {
    const free = await freePort();
    stage.manager.ports = [{ guest: 80, host: free }];
    stage.manager.set('Running');
    const door = await stage.open();
    expect(door.status(id)[0]?.address).toStrictEqual({ host: '127.0.0.1', port: free });
  });

  it('is tried again while somebody else has it, which is told', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    stage.atEnd(() => other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    stage.manager.ports = [{ guest: 80, host: port }, { guest: 81 }];
    stage.manager.set('Running');
    const warned: object[] = [];
    const opening = stage.open({ logger: { warn: (fields) => void warned.push(fields) } });
    await comes(() => warned.length > 0);
    other.close();
    const door = await opening;
    expect(warned[0]).toMatchObject({ instanceId: id, guest: 80, port, err: { code: 'EADDRINUSE' } });
    expect(door.status(id).map(({ state }) => state)).toStrictEqual(['listening', 'listening']);
    expect(door.status(id)[0]?.address?.port).toBe(port);
    expect(door.stats()).toMatchObject({ listening: 2, retrying: 0 });
  });

  it('changes with the ports of an instance; connections by those that are left stay', async () => {
    await stage.machine();
    stage.manager.ports = [{ guest: 80 }, { guest: 81 }];
    stage.manager.set('Running');
    const door = await stage.open();
    const [kept, gone] = [stage.client(door, 80), stage.client(door, 81)];
    for (const client of [kept, gone]) {
      client.socket.write('x');
      await client.hears('x');
    }
    stage.manager.ports = [{ guest: 80, host: await freePort() }, { guest: 82 }];
    stage.manager.set('Running');
    expect(await gone.ended()).toBe('rst');
    await comes(() => door.status(id).every(({ state }) => state === 'listening'));
    expect(door.status(id).map(({ guest }) => guest)).toStrictEqual([80, 82]);
    kept.socket.write('y');
    expect(await kept.hears('xy')).toBe('xy');
    const client = stage.client(door, 80);
    client.socket.write('z');
    expect(await client.hears('z')).toBe('z');
  });

  it('is told as often as it stands differently with it, until the door is closed', async () => {
    stage.manager.set('Running');
    const door = await stage.open();
    const told = firstValueFrom(door.status$.pipe(takeUntil(NEVER), toArray()));
    stage.manager.set('Running', 'b'.repeat(24));
    await comes(() => door.status('b'.repeat(24))[0]?.state === 'listening');
    door.close();
    expect((await told).map(({ instanceId, state }) => [instanceId[0], state])).toStrictEqual([
      ['b', 'listening'],
    ]);
  });
});

describe('what the door sees of the instances', () => {
  it('is brought level by another snapshot', async () => {
    stage.manager.set('Running');
    const door = await stage.open();
    stage.manager.table.clear();
    stage.manager.loseSight();
    expect(door.status(id)).toStrictEqual([]);
  });
});
