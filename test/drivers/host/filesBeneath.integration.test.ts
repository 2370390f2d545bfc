import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, mergeMap } from 'rxjs';
import { filesBeneath } from '../../../src/drivers/host/filesBeneath.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';

let folder: string;
let top: string;
const files = filesBeneath(() => Promise.resolve(top));

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'files-')));
  top = join(folder, 'work');
  mkdirSync(top);
  mkdirSync(join(folder, 'outside'));
  writeFileSync(join(folder, 'outside/secret'), 'secret');
});
afterEach(() => removeTree(folder));

const read = async (path: string): Promise<string> => {
  const pieces: Uint8Array[] = [];
  await lastValueFrom(
    files.read(path).pipe(
      mergeMap(async (reader) => {
        for (let piece = await reader.read(); piece !== undefined; piece = await reader.read())
          pieces.push(piece);
      }),
    ),
    { defaultValue: undefined },
  );
  return Buffer.concat(pieces).toString();
};

const write = (path: string, text: string): Promise<unknown> =>
  firstValueFrom(
    files.write(path, {}).pipe(
      mergeMap(async (writer) => {
        await writer.write(Buffer.from(text));
        return writer.finish();
      }),
    ),
  );

const failed = (code: string): unknown => expect.objectContaining({ _tag: 'FileFailed', code });
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => error,
  );

it('no link is followed, neither at the end of a path nor on the way', async () => {
  symlinkSync('../outside', join(top, 'out'));
  symlinkSync('../outside/secret', join(top, 'link'));
  for (const work of [
    read('out/secret'),
    firstValueFrom(files.list('out')),
    write('out/new', 'x'),
    firstValueFrom(files.mkdir('out/d', { recursive: true })),
    firstValueFrom(files.remove('out/secret', {})),
  ])
    expect(await codeOf(work)).toEqual(failed('ENOTDIR'));
  expect(await codeOf(read('link'))).toEqual(failed('ELOOP'));
  await expect(firstValueFrom(files.stat('link'))).resolves.toMatchObject({
    kind: 'link',
    target: '../outside/secret',
  });
  // What is written takes the place of the link, and not of what that leads to.
  await write('link', 'mine');
  expect(readFileSync(join(folder, 'outside/secret'), 'utf8')).toBe('secret');
  expect(readFileSync(join(top, 'link'), 'utf8')).toBe('mine');
  await firstValueFrom(files.remove('out', { recursive: true }));
  expect(readdirSync(join(folder, 'outside'))).toEqual(['secret']);
});

it('what is no plain file is not opened, and nobody waits for a pipe', async () => {
  execFileSync('mkfifo', [join(top, 'pipe')]);
  expect(await codeOf(read('pipe'))).toEqual(failed('EINVAL'));
  await expect(firstValueFrom(files.stat('pipe'))).resolves.toMatchObject({ kind: 'other' });
  await write('pipe', 'text');
  await expect(read('pipe')).resolves.toBe('text');
});

it('a program that swaps a directory for a link without pause never gets anything out or in', async () => {
  mkdirSync(join(top, 'a'));
  mkdirSync(join(top, 'b'));
  writeFileSync(join(top, 'a/secret'), 'inside');
  const swap = `
    const fs = require('fs');
    for (;;) { fs.renameSync('a', 'c'); fs.symlinkSync('../outside', 'a'); fs.unlinkSync('a'); fs.renameSync('c', 'a'); }`;
  const program = spawn(process.execPath, ['-e', swap], { cwd: top, stdio: 'ignore' });
  try {
    const seen = new Set<string>();
    for (let round = 0; round < 500; round += 1) {
      await read('a/secret').then(
        (text) => seen.add(text),
        () => seen.add('refused'),
      );
      await write('a/new', 'x').catch(() => undefined);
      await codeOf(firstValueFrom(files.mkdir('a/d', {})));
      await codeOf(firstValueFrom(files.remove('a/d', {})));
    }
    expect(seen.has('secret')).toBe(false);
    expect(seen.has('inside')).toBe(true);
    expect(readdirSync(join(folder, 'outside'))).toEqual(['secret']);
  } finally {
    const ended = new Promise((done) => program.once('exit', done));
    program.kill('SIGKILL');
    await ended;
  }
}, 60_000);

it('a directory of thousands is listed and removed, and nothing stays open', async () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  await firstValueFrom(files.mkdir('d/e', { recursive: true }));
  for (let index = 0; index < 3_000; index += 1) writeFileSync(join(top, 'd/e', String(index)), '');
  const before = open();
  const found = await firstValueFrom(files.list('d/e'));
  expect(found).toHaveLength(3_000);
  await Promise.all(Array.from({ length: 200 }, (_, index) => read(`d/e/${String(index)}`)));
  await firstValueFrom(files.remove('d', { recursive: true }));
  expect(existsSync(join(top, 'd'))).toBe(false);
  expect(open()).toBeLessThanOrEqual(before);
});

it('what is unsubscribed while it is opened is closed', async () => {
  await write('a', 'text');
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let round = 0; round < 50; round += 1) {
    files.read('a').subscribe().unsubscribe();
    files.write('b', {}).subscribe().unsubscribe();
  }
  await read('a');
  for (let turn = 0; turn < 1_000 && (open() > before || readdirSync(top).length > 1); turn += 1)
    await new Promise((next) => setImmediate(next));
  expect(open()).toBeLessThanOrEqual(before);
  expect(readdirSync(top)).toEqual(['a']);
});

it('what replaces a set-user-ID file of a program is none itself', async () => {
  writeFileSync(join(top, 'tool'), '');
  chmodSync(join(top, 'tool'), 0o6751);
  await write('tool', 'new');
  expect(statSync(join(top, 'tool')).mode & 0o7777).toBe(0o751);
});

it('directories are made as deep as a path can tell', async () => {
  const path = 'a/'.repeat(2_047) + 'a';
  await firstValueFrom(files.mkdir(path, { recursive: true }));
  expect(await firstValueFrom(files.stat(path))).toMatchObject({ kind: 'directory' });
});

it('of a rename that cannot be, the path is told that is at fault', async () => {
  mkdirSync(join(top, 'd'));
  await expect(firstValueFrom(files.rename('none', 'other'))).rejects.toMatchObject({
    path: 'none',
    code: 'ENOENT',
  });
  await expect(firstValueFrom(files.rename('d', 'none/d'))).rejects.toMatchObject({
    path: 'none/d',
    code: 'ENOENT',
  });
});

it('modes are those asked for, whatever the umask is', async () => {
  const former = process.umask(0o077);
  try {
    await firstValueFrom(files.mkdir('d/e', { recursive: true, mode: 0o775 }));
    await write('d/f', 'x');
  } finally {
    process.umask(former);
  }
  expect(statSync(join(top, 'd/e')).mode & 0o777).toBe(0o775);
  expect(statSync(join(top, 'd/f')).mode & 0o777).toBe(0o644);
  chmodSync(join(top, 'd/f'), 0o755);
  await write('d/f', 'y');
  expect(statSync(join(top, 'd/f')).mode & 0o777).toBe(0o755);
});
