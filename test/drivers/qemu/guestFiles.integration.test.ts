import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, type Observable, type Subscription } from 'rxjs';
import type { DriverFiles } from '../../../src/drivers/driver.js';
import { createGuestAgent, type GuestAgent } from '../../../src/drivers/qemu/guestAgent.js';
import { createGuestFiles } from '../../../src/drivers/qemu/guestFiles.js';
import { type FakeConnection, type FakeGuest, offset, startFakeGuest } from './fakeGuest.js';

let home: string;
let guest: FakeGuest;
let agent: GuestAgent;
let files: DriverFiles;
let connection: FakeConnection;
let links: Subscription[];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'q-'));
  guest = await startFakeGuest(join(home, 'agent.sock'));
  agent = createGuestAgent({ home, instanceId: 'a', name: 'a' });
  files = createGuestFiles((program) => agent.run(program));
  links = [];
  agent.connect();
  connection = await guest.attached();
});

afterEach(async () => {
  for (const link of links) link.unsubscribe();
  agent.end();
  await guest.close();
  rmSync(home, { recursive: true });
});

const number = (value: number, bytes: number): Buffer => offset(value).subarray(0, bytes);

interface Said {
  readonly kind?: string;
  readonly mode?: number;
  readonly size?: bigint | number;
  readonly modifiedAt?: bigint | number;
  readonly name?: string | Buffer;
  readonly target?: string;
  readonly nameBytes?: number;
}

/** What a guest tells of a file. */
const record = ({
  kind = 'f',
  mode = 0o644,
  size = 5,
  modifiedAt = 1_000,
  name = '',
  target = '',
  nameBytes = Buffer.from(name).length,
}: Said = {}): Buffer =>
  Buffer.concat([
    ...[Buffer.from(kind), number(mode, 2), offset(size), offset(modifiedAt)],
    ...[number(nameBytes, 2), number(target.length, 2), Buffer.from(name), Buffer.from(target)],
  ]);

/** Lets a program of the guest run; what it was asked, and how it goes on. */
async function asked() {
  const { id, body } = await connection.hear(5);
  connection.say(67, id);
  let told = 0;
  return {
    id,
    words: body.subarray(5).toString().split('\0').slice(1, -1),
    flags: body[0],
    tell: (bytes: Buffer): void => {
      connection.say(69, id, Buffer.concat([Buffer.of(0), offset(told), bytes]));
      told += bytes.length;
    },
    exit: (code: number): void => {
      connection.say(71, id, Buffer.concat([Buffer.of(0, code), offset(told), offset(0)]));
    },
  };
}

/** What comes of something, held until the test is over. */
const begin = <T>(source$: Observable<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    links.push(source$.subscribe({ next: resolve, error: reject }));
  });

const begun = Buffer.of(0);

it('each thing that is done is a program of the agent, told by its words', async () => {
  const words = async (source$: Observable<unknown>): Promise<unknown> => {
    const done = firstValueFrom(source$);
    const it = await asked();
    if (it.words[1] === 'rename') it.tell(begun);
    it.tell(record());
    it.exit(0);
    await done;
    return [it.flags, ...it.words.slice(1)];
  };
  expect(await words(files.stat('a/b'))).toEqual([6, 'stat', 'a/b']);
  expect(await words(files.mkdir('a', {}))).toEqual([6, 'mkdir', 'a', '755']);
  expect(await words(files.mkdir('a', { recursive: true, mode: 0o700 }))).toEqual([
    ...[6, 'mkdir', 'a', '700', 'recursive'],
  ]);
  expect(await words(files.remove('a', {}))).toEqual([6, 'remove', 'a', '']);
  expect(await words(files.remove('a', { recursive: true }))).toEqual([6, 'remove', 'a', '', 'recursive']);
  expect(await words(files.rename('a', 'b'))).toEqual([6, 'rename', 'a', 'b']);
});

it('what lies in a directory is told in the order of its names, but for those that are no UTF-8', async () => {
  const listed = firstValueFrom(files.list('a'));
  const it = await asked();
  it.tell(record({ kind: 'l', name: 'b', target: '/x' }));
  it.tell(record({ name: Buffer.of(0xff), kind: 'o' }));
  it.tell(record({ kind: 'd', name: 'a', modifiedAt: 2n ** 64n - 5n }));
  it.exit(0);
  expect(await listed).toEqual([
    { path: 'a/a', kind: 'directory', size: 5, mode: 0o644, modifiedAt: -5 },
    { path: 'a/b', kind: 'link', size: 5, mode: 0o644, modifiedAt: 1_000, target: '/x' },
  ]);
});

it.each<[string, Buffer]>([
  ['a kind that there is not', record({ name: 'a', kind: 'x' })],
  ['rights that there are not', record({ name: 'a', mode: 0o10000 })],
  ['a size below nothing', record({ name: 'a', size: 2n ** 64n - 1n })],
  ['a size beyond all numbers', record({ name: 'a', size: 2n ** 60n })],
  ['a time beyond all times', record({ name: 'a', modifiedAt: 2n ** 60n })],
  ['a name that is longer than what it says', record({ name: 'a', nameBytes: 9 })],
  ['half of something', record({ name: 'a' }).subarray(0, 20)],
  ['a name that leads to another directory', record({ name: '../a' })],
  ['the name of the directory above', record({ name: '..' })],
  ['no name', record()],
])('a guest that tells %s is not believed', async (_, lie) => {
  const listed = firstValueFrom(files.list(''));
  const it = await asked();
  it.tell(lie);
  it.exit(0);
  await expect(listed).rejects.toThrow('the agent in the guest said what cannot be');
});

it.each([0, 2])('a guest that tells of %i things where one was asked for is not believed', async (count) => {
  const found = firstValueFrom(files.stat('a'));
  const it = await asked();
  for (let times = 0; times < count; times += 1) it.tell(record());
  it.exit(0);
  await expect(found).rejects.toThrow('the agent in the guest said what cannot be');
});

it('a guest that says that it has begun nothing to be read is not believed', async () => {
  const opened = begin(files.read('a'));
  (await asked()).exit(0);
  await expect(opened).rejects.toThrow('the agent in the guest said what cannot be');
});

it('a directory of which more is told than is held is told to be too large', async () => {
  const listed = firstValueFrom(files.list('a'));
  const over = expect(listed).rejects.toMatchObject({ _tag: 'FileFailed', code: 'EOVERFLOW' });
  const it = await asked();
  const piece = Buffer.alloc(16 * 1_024, 'x');
  // As much as it may, before it hears that what came first was read: to one piece more than 16 MiB.
  for (let [sent, acked] = [0, 0]; sent <= 1_024; sent += 1) {
    while ((sent + 1) * piece.length - acked > 128 * 1_024)
      acked = Number((await connection.hear(8)).body.readBigUInt64LE(1));
    it.tell(piece);
  }
  await over;
});

it('errors are those of Linux, whatever this host is', async () => {
  const failure = async (code: number): Promise<unknown> => {
    const found = firstValueFrom(files.stat('a'));
    (await asked()).exit(code);
    return found.catch((error: unknown) => error);
  };
  expect(await failure(39)).toMatchObject({ _tag: 'FileFailed', verb: 'stat', path: 'a', code: 'ENOTEMPTY' });
  expect(await failure(40)).toMatchObject({ code: 'ELOOP' });
  expect(await failure(133)).toMatchObject({ code: 'errno 133' });
});

it('a file is read as it is asked for, and what fails on the way is told', async () => {
  const opened = begin(files.read('a'));
  const it = await asked();
  it.tell(Buffer.concat([begun, Buffer.from('first')]));
  it.tell(Buffer.from('second'));
  it.exit(5);
  const reader = await opened;
  expect(Buffer.from((await reader.read()) ?? []).toString()).toBe('first');
  expect(Buffer.from((await reader.read()) ?? []).toString()).toBe('second');
  await expect(reader.read()).rejects.toMatchObject({ _tag: 'FileFailed', code: 'EIO' });
});

it('a file is written in pieces, each after its length, and the last is none', async () => {
  const opened = begin(files.write('a', { mode: 0o600 }));
  const it = await asked();
  expect([it.flags, ...it.words]).toEqual([7, '', 'write', 'a', '600']);
  connection.say(70, it.id, Buffer.concat([offset(0), offset(0)]));
  it.tell(begun);
  const writer = await opened;
  await writer.write(Buffer.from('text'));
  await writer.write(Buffer.alloc(0));
  const finished = writer.finish();
  const input: Buffer[] = [];
  for (let bytes = 0; bytes < 20; bytes += input.at(-1)?.length ?? 0)
    input.push((await connection.hear(6)).body.subarray(8));
  expect(Buffer.concat(input)).toEqual(Buffer.concat([offset(4), Buffer.from('text'), offset(0)]));
  it.tell(record({ size: 4, mode: 0o600 }));
  it.exit(0);
  expect(await finished).toEqual({ path: 'a', kind: 'file', size: 4, mode: 0o600, modifiedAt: 1_000 });
});

it('who writes is told that the disk is full, whenever that is seen', async () => {
  const opened = begin(files.write('a', {}));
  const it = await asked();
  it.tell(begun);
  const writer = await opened;
  it.exit(28);
  await expect(writer.finish()).rejects.toMatchObject({ _tag: 'FileFailed', code: 'ENOSPC' });
  await expect(writer.write(Buffer.from('more'))).rejects.toMatchObject({ code: 'ENOSPC' });
});

it('what is being done when the machine ends fails, and is no fault of the file', async () => {
  const opened = begin(files.read('a'));
  const it = await asked();
  it.tell(begun);
  const reader = await opened;
  agent.end();
  await expect(reader.read()).rejects.toThrow('the virtual machine has ended');
});

it('an agent that knows nothing of files, or does not find itself, is told as such', async () => {
  const found = firstValueFrom(files.stat('a'));
  const { id } = await connection.hear(5);
  connection.say(68, id, Buffer.concat([Buffer.from('x'), number(2, 4)]));
  await expect(found).rejects.toMatchObject({
    _tag: 'NotSupported',
    message: expect.stringContaining('is of an earlier version') as string,
  });
});

it('no more than 16 that end by themselves are asked for at once, and one that is given up makes room', async () => {
  const asks = Array.from({ length: 18 }, (_, index) => begin(files.stat(String(index))));
  const running = [];
  for (let count = 0; count < 16; count += 1) running.push(await asked());
  links[17]?.unsubscribe();
  const [first] = running;
  first?.tell(record());
  first?.exit(0);
  expect((await asks[0])?.path).toBe('0');
  expect((await asked()).words[2]).toBe('16');
  links[1]?.unsubscribe();
  links[2]?.unsubscribe();
  begin(files.stat('next')).catch(() => undefined);
  expect((await asked()).words[2]).toBe('next');
  begin(files.stat('last')).catch(() => undefined);
  expect((await asked()).words[2]).toBe('last');
});
