import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { defer, filter, firstValueFrom, repeat, timer } from 'rxjs';
import { createLogFiles } from '../../../src/drivers/host/logFiles.js';
import { makeTinyImage, type TinyKernel } from './tinyKernel.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const value = firstValueFrom;

let folder: string;
let manager: InstanceManager;
let home: string;
const sockets: Socket[] = [];

const open = (): Promise<InstanceManager> =>
  openManager({ dataDir: join(folder, 'data'), drivers: [createQemuDriver()] });

const start = async (kernel: TinyKernel): Promise<void> => {
  const image = makeTinyImage(join(folder, kernel), kernel);
  const { id } = await value(manager.create({ name: 'it', image, stopGraceMs: 0 }));
  home = join(folder, 'data/instances', id);
};

/** Connects to the console, and reads nothing yet. */
async function reader(): Promise<Socket> {
  const socket = connect({ path: join(home, 'serial.sock') });
  sockets.push(socket);
  socket.pause();
  await once(socket, 'connect');
  return socket;
}

const logEnd = (): Promise<number> => createLogFiles(home).end();

/** Resolves once the guest has said so many bytes more. */
async function says(bytes: number): Promise<void> {
  const from = await logEnd();
  await value(
    defer(logEnd).pipe(
      repeat({ delay: () => timer(20) }),
      filter((end) => end >= from + bytes),
    ),
  );
}

/** What somebody hears until it is as many bytes. */
async function heard(socket: Socket, bytes: number): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.length >= bytes) break;
  }
  return text;
}

const different = (text: string): readonly string[] => [...new Set(text.split('\n').slice(1, -1))];
const floodLine = `${'flood '.repeat(16)}.`;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'c-'));
  manager = await open();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});

it('is read by who stalls without holding up the guest or other readers, and read on without a gap', async () => {
  await start('flooding');
  const stalled = await Promise.all([reader(), reader()]);
  await says(500_000);
  const other = await reader();
  expect(different(await heard(other, 100_000))).toEqual([floodLine]);
  for (const socket of stalled) expect(different(await heard(socket, 450_000))).toEqual([floodLine]);
});

it('is served by the next manager where one was closed, while the guest goes on', async () => {
  await start('counting');
  const before = await reader();
  const closed = once(before, 'close');
  before.resume();
  await Promise.all([manager.close(), closed]);
  expect(existsSync(join(home, 'serial.sock'))).toBe(false);
  await says(10);
  manager = await open();
  expect(await heard(await reader(), 10)).toContain('.');
});

it('tells its last words, and ends with the machine', async () => {
  await start('counting');
  const socket = await reader();
  await says(10);
  await value(manager.stop('it'));
  const words = await heard(socket, Infinity);
  expect(words.length).toBeGreaterThanOrEqual(10);
  expect(readFileSync(join(home, 'logs/app.log'), 'latin1').endsWith(words)).toBe(true);
  expect(existsSync(join(home, 'serial.sock'))).toBe(false);
});

it('lies where only its owner reaches it, whatever lay there before', async () => {
  await start('counting');
  await value(manager.stop('it'));
  const other = join(folder, 'other');
  writeFileSync(other, 'of another');
  for (const name of ['console.in', 'console.out']) rmSync(join(home, name));
  for (const name of ['serial.sock', 'console.out']) symlinkSync(other, join(home, name));
  mkdirSync(join(home, 'console.in', 'folder'), { recursive: true });
  await value(manager.start('it'));
  await says(10);
  expect(await heard(await reader(), 5)).toMatch(/\S/);
  expect(lstatSync(join(home, 'serial.sock')).mode & 0o777).toBe(0o600);
  expect(lstatSync(join(home, 'console.in')).mode & 0o777).toBe(0o600);
  expect(readFileSync(other, 'utf8')).toBe('of another');
});
