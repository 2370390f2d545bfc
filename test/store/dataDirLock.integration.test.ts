import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { DataDirLocked } from '../../src/lifecycle/errors.js';
import { type DataDirLock, lockDataDir } from '../../src/store/dataDirLock.js';
import { startStoreProcess, type StoreProcess } from './storeProcess.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

let folder: string;
let dataDir: string;
let processes: StoreProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  dataDir = join(folder, 'data');
  processes = [];
});

afterEach(async () => {
  await Promise.all(processes.map((child) => child.kill()));
  rmSync(folder, { recursive: true });
});

const lock = (path = dataDir): Promise<DataDirLock> => lockDataDir(path, () => 1234);

/** An answer of which there is always more. */
const endless = (): Readable =>
  new Readable({
    read() {
      this.push(Buffer.alloc(65_536, ' '));
    },
  });

async function holder(): Promise<StoreProcess> {
  const child = startStoreProcess(dataDir);
  processes.push(child);
  expect(await child.opened).toBeUndefined();
  return child;
}

describe('the lock of a data directory', () => {
  it('is held by one of a process, and tells the other by whom', async () => {
    const held = await lock();
    await expect(lock()).rejects.toStrictEqual(
      new DataDirLocked({ dataDir, holder: { pid: process.pid, host: hostname(), since: 1234 } }),
    );
    await held.release();
    await (await lock()).release();
  });

  it('is held by one of all who want it at once, time after time', async () => {
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lock()));
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const lost = results.flatMap((result) =>
        result.status === 'rejected' ? [(result.reason as { _tag?: unknown })._tag] : [],
      );
      expect(won).toHaveLength(1);
      expect(lost).toStrictEqual(Array(7).fill('DataDirLocked'));
      await won[0]?.release();
    }
    // What dead holders leave is cleared away.
    expect(readdirSync(join(dataDir, 'lock'))).toHaveLength(1);
  });

  it('is held by one of several processes that want it at once', async () => {
    processes.push(...Array.from({ length: 3 }, () => startStoreProcess(dataDir)));
    const failures = await Promise.all(processes.map(({ opened }) => opened));
    const winner = processes.find((_, index) => failures[index] === undefined);
    const refused = failures.filter((failure) => failure !== undefined);
    expect(refused).toHaveLength(2);
    for (const failure of refused) {
      expect(failure).toMatchObject({ _tag: 'DataDirLocked', holder: { pid: winner?.pid } });
    }
  });

  it('is free once its holder was killed', async () => {
    const child = await holder();
    await expect(lock()).rejects.toMatchObject({ holder: { pid: child.pid } });
    await child.kill();
    await (await lock()).release();
  });

  it('stays with a holder that does not answer, who cannot be named then', async () => {
    const child = await holder();
    process.kill(child.pid, 'SIGSTOP');
    await expect(lock()).rejects.toStrictEqual(new DataDirLocked({ dataDir }));
  });

  it.each<[string, (socket: Socket) => void]>([
    ['lies of its process', (socket) => socket.end('{"pid":null,"host":"h","since":1}')],
    ['lies of the time', (socket) => socket.end('{"pid":7,"host":"h","since":1e300}')],
    ['has a name with control characters', (socket) => socket.end('{"pid":7,"host":"\\u001b[1m","since":1}')],
    ['has a name without end', (socket) => socket.end(`{"pid":7,"host":"${'h'.repeat(2 ** 20)}","since":1}`)],
    ['says what is no JSON', (socket) => socket.end('{')],
    ['never stops', (socket) => void pipeline(endless(), socket, () => undefined)],
    ['answers, and does not end', (socket) => socket.write('{"pid":7,')],
    ['never says anything', () => undefined],
    ['ends each time', (socket) => socket.destroy()],
  ])('stays with a holder that %s, who cannot be named then', async (_, answer) => {
    mkdirSync(join(dataDir, 'lock'), { recursive: true });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      answer(socket);
    });
    server.listen(join(dataDir, 'lock', '1'));
    await once(server, 'listening');
    try {
      await expect(lock()).rejects.toStrictEqual(new DataDirLocked({ dataDir }));
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    }
  });

  it.each([
    ['a number without end', '9'.repeat(200)],
    ['a number that leaves no room', '999999999999999'],
  ])('is not taken beside %s, and nothing is removed', async (_, name) => {
    mkdirSync(join(dataDir, 'lock'), { recursive: true });
    writeFileSync(join(dataDir, 'lock', name), '');
    await expect(lock()).rejects.toMatchObject({ _tag: 'StoreFailed' });
    expect(readdirSync(join(dataDir, 'lock'))).toEqual([name]);
  });

  it('is not taken beside a link, which is not followed', async () => {
    const held = await lock();
    const other = join(folder, 'other');
    mkdirSync(join(other, 'lock'), { recursive: true });
    symlinkSync(join(dataDir, 'lock', '1'), join(other, 'lock', '1'));
    await expect(lock(other)).rejects.toMatchObject({ _tag: 'StoreFailed' });
    await held.release();
  });

  it('passes over a file with the name of a socket, and leaves it', async () => {
    mkdirSync(join(dataDir, 'lock'), { recursive: true });
    writeFileSync(join(dataDir, 'lock', '1'), 'mine');
    await (await lock()).release();
    expect(readFileSync(join(dataDir, 'lock', '1'), 'utf8')).toBe('mine');
  });

  it('does not go with a copy of the directory, made while it was held', async () => {
    const held = await lock();
    execFileSync('cp', ['-a', dataDir, join(folder, 'copy')]);
    await (await lock(join(folder, 'copy'))).release();
    await held.release();
  });

  it('is one, whatever path leads to it', async () => {
    const held = await lock();
    execFileSync('ln', ['-s', dataDir, join(folder, 'link')]);
    await expect(lock(join(folder, 'link'))).rejects.toMatchObject({ _tag: 'DataDirLocked' });
    await held.release();
  });

  it('has room for paths longer than an address', async () => {
    const long = join(dataDir, 'x'.repeat(200), 'y'.repeat(200));
    const held = await lock(long);
    await expect(lock(long)).rejects.toMatchObject({ holder: { pid: process.pid } });
    await held.release();
    const again = await lock(long);
    await again.release();
  });

  it('is nobody else’s business', async () => {
    const held = await lock();
    const modes = ['.', ...readdirSync(join(dataDir, 'lock'))].map(
      (name) => statSync(join(dataDir, 'lock', name)).mode & 0o777,
    );
    expect(modes).toStrictEqual([0o700, 0o600]);
    await held.release();
  });

  it('fails where no folder can be made', async () => {
    await expect(lock('/proc/self/status/data')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
