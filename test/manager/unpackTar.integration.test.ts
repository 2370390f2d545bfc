import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { concat, defer, lastValueFrom, mergeMap, NEVER, noop, of, throwError } from 'rxjs';
import { hasTag } from '../../src/lifecycle/errors.js';
import type { FileTree, NewFile } from '../../src/lifecycle/fileTree.js';
import { unpackTar } from '../../src/manager/unpackTar.js';
import { feedInput } from '../../src/streams/feedInput.js';
import { all, type ArchiveEntry, archiveOf, openTarStage, type TarStage } from './tarStage.js';

let stage: TarStage;
let outside: string;
beforeEach(() => {
  stage = openTarStage();
  outside = join(stage.folder, 'outside');
  writeFileSync(join(outside, 'secret'), 'secret of somebody');
  chmodSync(outside, 0o755);
});
afterEach(() => stage.close());

const at = (...parts: string[]): string => join(stage.top, ...parts);
const text = (...parts: string[]): string => readFileSync(at(...parts), 'utf8');
const failsWith = async (tar: Buffer, code: string, path?: string): Promise<void> => {
  await expect(stage.unpack('', tar)).rejects.toMatchObject({
    ...{ _tag: 'FileFailed', code },
    ...(path !== undefined && { path }),
  });
};
const gnu = (options: readonly string[], folder = outside): Buffer =>
  execFileSync('tar', ['cf', '-', '-C', folder, ...options], { stdio: ['ignore', 'pipe', 'ignore'] });

/** Says in the header at an offset that its content has another size. */
const resummed = (archive: Buffer, from: number, size: string): Buffer => {
  const changed = Buffer.from(archive);
  changed.write(size.padStart(11, '0'), from + 124);
  changed.fill(' ', from + 148, from + 156);
  const sum = changed.subarray(from, from + 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, from + 148);
  return changed;
};

it('what is unpacked belongs to the user to whom the directory belongs that it lies in', async () => {
  const [own, nobody] = [process.geteuid?.() ?? 0, 65_534];
  const owner = own === 0 ? nobody : own;
  chownSync(stage.top, owner, owner === nobody ? nobody : (process.getegid?.() ?? 0));
  mkdirSync(join(outside, 'a/b'), { recursive: true });
  writeFileSync(join(outside, 'a/b/f'), 'x');
  symlinkSync('b', join(outside, 'a/link'));
  await stage.unpack('', gnu(['a']));
  for (const path of ['a', 'a/b', 'a/b/f', 'a/link']) expect(lstatSync(at(path)).uid).toBe(owner);
});

it.each(['gnu', 'pax', 'ustar', 'v7', 'oldgnu'])(
  'archives in the form %s of GNU tar are unpacked',
  async (form) => {
    const names = form === 'v7' || form === 'ustar' ? 'd' : `${'long/'.repeat(60)}größe`;
    mkdirSync(join(outside, 'a', names), { recursive: true });
    writeFileSync(join(outside, 'a', names, 'f'), 'x'.repeat(100_000), { mode: 0o750 });
    symlinkSync('../a', join(outside, 'a/link'));
    execFileSync('ln', [join(outside, 'a', names, 'f'), join(outside, 'a/same')]);
    execFileSync('touch', ['-d', '2001-02-03T04:05:06Z', join(outside, 'a', names, 'f'), join(outside, 'a')]);
    const { entries, bytes } = await stage.unpack('', gnu([`--format=${form}`, '--sort=name', 'a']));
    expect([entries, bytes]).toEqual([names.split('/').length + 4, 100_000]);
    expect(text('a', names, 'f')).toBe('x'.repeat(100_000));
    const { mode, mtime, ino } = statSync(at('a', names, 'f'));
    expect([mode & 0o7777, mtime.toISOString()]).toEqual([0o750, '2001-02-03T04:05:06.000Z']);
    expect(statSync(at('a')).mtime).toEqual(mtime);
    expect(statSync(at('a/same')).ino).toBe(ino);
    expect(readlinkSync(at('a/link'))).toBe('../a');
  },
);

it('it comes in pieces of any size', async () => {
  const archive = await archiveOf(
    [{ name: 'a/b' }, 'text'],
    [{ name: `${'c'.repeat(200)}/d` }, 'x'.repeat(1_000)],
  );
  for (const size of [1, 7, 511, 513, 4_096]) {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let from = 0; from < archive.length; from += size)
        yield await Promise.resolve(archive.subarray(from, from + size));
    }
    await expect(stage.unpack('', pieces())).resolves.toEqual({ entries: 2, bytes: 1_004 });
    expect([text('a/b'), text('c'.repeat(200), 'd').length]).toEqual(['text', 1_000]);
  }
});

it('what is in the place of an entry is replaced, and never followed; directories stay', async () => {
  mkdirSync(at('d'));
  writeFileSync(at('d/kept'), 'kept');
  symlinkSync('../outside/secret', at('f'));
  symlinkSync('../outside', at('e'));
  await stage.unpack(
    '',
    await archiveOf(
      [{ name: 'd', type: 'directory' }],
      [{ name: 'f' }, 'mine'],
      [{ name: 'e', type: 'directory' }],
      [{ name: 'e/secret' }, 'mine'],
    ),
  );
  expect([text('d/kept'), text('f'), text('e/secret')]).toEqual(['kept', 'mine', 'mine']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret of somebody');
  await failsWith(await archiveOf([{ name: 'd' }, 'file']), 'EISDIR', 'd');
});

it.each<[string, ArchiveEntry, string]>([
  ['an absolute name', [{ name: '/etc/evil' }, 'x'], 'ENOTCAPABLE'],
  ['a name with ..', [{ name: 'a/../../evil' }, 'x'], 'ENOTCAPABLE'],
  ['an absolute link', [{ name: 'l', type: 'symlink', linkname: '/etc' }], 'ENOTCAPABLE'],
  ['a link that leads out', [{ name: 'a/l', type: 'symlink', linkname: '../../outside' }], 'ENOTCAPABLE'],
  ['a link that goes up from a name', [{ name: 'a/l', type: 'symlink', linkname: 'b/../c' }], 'ENOTCAPABLE'],
  [
    'a further name of a file outside',
    [{ name: 'h', type: 'link', linkname: '../outside/secret' }],
    'ENOTCAPABLE',
  ],
  ['a further name of what was there', [{ name: 'h', type: 'link', linkname: 'there' }], 'EPERM'],
  ['a character device', [{ name: 'c', type: 'character-device', devmajor: 1, devminor: 3 }], 'ENOTSUP'],
  ['a block device', [{ name: 'b', type: 'block-device' }], 'ENOTSUP'],
  ['a pipe', [{ name: 'p', type: 'fifo' }], 'ENOTSUP'],
  ['a set-uid bit', [{ name: 's', mode: 0o4755 }, 'x'], 'EPERM'],
  ['a set-gid bit', [{ name: 's', mode: 0o2755, type: 'directory' }], 'EPERM'],
  ['holes by pax', [{ name: 's', pax: { 'GNU.sparse.major': '1' } }, 'x'], 'ENOTSUP'],
  ['a name that is too long', [{ name: 'n/'.repeat(3_000) }, 'x'], 'ENAMETOOLONG'],
])('%s is refused with its name, and nothing is made', async (_, entry, code) => {
  writeFileSync(at('there'), '');
  const archive = await archiveOf([{ name: 'first' }, 'first'], entry, [{ name: 'last' }, 'last']);
  await failsWith(archive, code, entry[0].name);
  expect(readdirSync(stage.top).sort()).toEqual(['first', 'there']);
  expect(readdirSync(outside)).toEqual(['secret']);
});

it('holes by GNU tar are refused in all its forms', async () => {
  writeFileSync(join(outside, 'holes'), '');
  truncateSync(join(outside, 'holes'), 1_000_000);
  appendFileSync(join(outside, 'holes'), 'end');
  for (const options of [
    ['--format=gnu'],
    ['--format=pax', '--sparse-version=1.0'],
    ['--format=pax', '--sparse-version=0.1'],
  ])
    await failsWith(gnu(['-S', ...options, 'holes']), 'ENOTSUP');
  expect(readdirSync(stage.top)).toEqual([]);
});

it('nothing goes through a link that the archive itself has brought, nor through several of them', async () => {
  const through = await archiveOf(
    [{ name: 'd', type: 'directory' }],
    [{ name: 'd/up', type: 'symlink', linkname: '..' }],
    [{ name: 'd/up/evil' }, 'x'],
  );
  await failsWith(through, 'ENOTDIR', 'd/up/evil');
  const named = await archiveOf(
    [{ name: 'l', type: 'symlink', linkname: 'f' }],
    [{ name: 'h', type: 'link', linkname: 'l' }],
  );
  await failsWith(named, 'EPERM', 'h');
});

it('a file that a program has exchanged for a link gets no further name', async () => {
  const archive = await archiveOf([{ name: 'f' }, 'x'], [{ name: 'h', type: 'link', linkname: 'f' }]);
  async function* exchanged(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(archive.subarray(0, 1_024));
    execFileSync('ln', ['-sfn', '../outside/secret', at('f')]);
    yield archive.subarray(1_024);
  }
  await expect(stage.unpack('', exchanged())).rejects.toMatchObject({ path: 'h', code: 'ESTALE' });
  expect(existsSync(at('h'))).toBe(false);
});

it.each([
  ['cut off within a file', (archive: Buffer) => archive.subarray(0, 700)],
  ['cut off between two entries', (archive: Buffer) => archive.subarray(0, 1_024)],
  ['cut off before its second block of zeros', (archive: Buffer) => archive.subarray(0, -512)],
  ['empty', () => Buffer.alloc(0)],
  ['compressed', (archive: Buffer) => execFileSync('gzip', { input: archive })],
  ['of another sum', (archive: Buffer) => Buffer.concat([Buffer.from('X'), archive.subarray(1)])],
])('an archive that is %s is none, and a file that is not whole is removed', async (_, spoilt) => {
  const archive = await archiveOf([{ name: 'f' }, 'x'.repeat(400)]);
  await failsWith(spoilt(archive), 'EBADMSG');
  for (const name of readdirSync(stage.top)) expect(text(name)).toHaveLength(400);
});

it('zeros at the end of a file are no end of the archive', async () => {
  const archive = await archiveOf([{ name: 'f' }, '\0'.repeat(4_096)]);
  await failsWith(archive.subarray(0, -1_024), 'EBADMSG');
});

it.each([
  ['a name', (name: Buffer) => ({ name, link: Buffer.alloc(0) })],
  ['a target', (link: Buffer) => ({ name: Buffer.from('l'), link })],
])('%s that is no UTF-8 is refused', async (_, place) => {
  const { name, link } = place(Buffer.from([0x61, 0xff]));
  const folder = Buffer.from(`${outside}/`);
  if (link.length > 0) symlinkSync(link, Buffer.concat([folder, name]));
  else writeFileSync(Buffer.concat([folder, name]), '');
  for (const form of ['gnu', 'pax']) await failsWith(gnu([`--format=${form}`, '.']), 'EILSEQ');
});

it('a link with a content, and a time that is none, are refused', async () => {
  const link = resummed(
    await archiveOf([{ name: 'f' }, 'x'], [{ name: 'l', type: 'link', linkname: 'f' }]),
    1_024,
    '1',
  );
  await failsWith(link, 'EBADMSG', 'l');
  await failsWith(await archiveOf([{ name: 'f', pax: { mtime: 'then' } }, 'x']), 'EBADMSG', 'f');
});

it('times of an extended header are taken, to the millisecond', async () => {
  await stage.unpack(
    '',
    await archiveOf(
      [{ name: 'f', pax: { mtime: '-3.25' } }, 'x'],
      [{ name: 'g', pax: { mtime: '5000000000.5' } }],
    ),
  );
  expect(['f', 'g'].map((name) => statSync(at(name)).mtime.getTime())).toEqual([-3_250, 5_000_000_000_500]);
});

it('headers are no end of the archive', async () => {
  const directories = ['d', 'e', 'g'].map((name): ArchiveEntry => [{ name, type: 'directory' }]);
  await failsWith(
    (await archiveOf([{ name: 'f' }, 'x'], ...directories)).subarray(0, -1_024),
    'EBADMSG',
    'g',
  );
});

it('zeros behind the end are passed over, and so is an archive of nothing', async () => {
  const archive = await archiveOf([{ name: 'f' }, '\0'.repeat(1_024)]);
  await expect(stage.unpack('', Buffer.concat([archive, Buffer.alloc(9_216)]))).resolves.toEqual({
    entries: 1,
    bytes: 1_024,
  });
  await expect(stage.unpack('', Buffer.alloc(1_024))).resolves.toEqual({ entries: 0, bytes: 0 });
});

it('what else fails in the tree is told as it is', async () => {
  const archive = await archiveOf([{ name: 'd/f' }, 'x'.repeat(100_000)], [{ name: 'g' }, 'x']);
  const broken = new Error('the guest is gone');
  for (const work of ['create', 'write'] as const) {
    const file = { write: () => Promise.reject(broken), close: noop } as unknown as NewFile;
    const create = () => (work === 'create' ? Promise.reject(broken) : Promise.resolve(file));
    const tree$ = of({ path: '', create } as unknown as FileTree);
    const unpacked$ = unpackTar(tree$).pipe(mergeMap(({ write }) => write(archive)));
    await expect(lastValueFrom(unpacked$)).rejects.toBe(broken);
  }
});

it('whoever has handed over bytes may use them again', async () => {
  const archive = await archiveOf(
    ...Array.from({ length: 40 }, (_, index): ArchiveEntry => [{ name: String(index) }, 'x'.repeat(700)]),
  );
  async function* reused(): AsyncGenerator<Uint8Array> {
    for (let from = 0; from < archive.length; from += 1_300) {
      const piece = Buffer.from(archive.subarray(from, from + 1_300));
      yield await Promise.resolve(piece);
      piece.fill('y');
    }
  }
  await stage.unpack('', reused());
  for (const name of readdirSync(stage.top)) expect(text(name)).toBe('x'.repeat(700));
});

it('a source is asked for no more than there is room for', async () => {
  const archive = await archiveOf([{ name: 'f' }, 'x'.repeat(1_000_000)]);
  let written = 0;
  let most = 0;
  let handed = 0;
  const file = {
    write: async (data: Uint8Array) => {
      for (let turn = 0; turn < 20; turn += 1) await new Promise((next) => setImmediate(next));
      written += data.length;
      most = Math.max(most, handed - written);
    },
    finish: () => Promise.resolve('id'),
    close: noop,
  };
  const tree$ = of({ path: '', create: () => Promise.resolve(file) } as unknown as FileTree);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let from = 0; from < archive.length; from += 10_000) {
      const piece = archive.subarray(from, from + 10_000);
      handed += piece.length;
      yield await Promise.resolve(piece);
    }
  }
  const unpacked$ = unpackTar(tree$).pipe(
    mergeMap(({ write, finish }) => concat(feedInput({ write, endInput: noop }, pieces()), defer(finish))),
  );
  await lastValueFrom(unpacked$);
  expect(written).toBe(1_000_000);
  expect(most).toBeLessThan(100_000);
});

it('a source that fails, or is left, leaves no file that is not whole, and nothing open', async () => {
  const archive = await archiveOf([{ name: 'd/f' }, 'x'.repeat(100_000)]);
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  const broken$ = concat(
    of(archive.subarray(0, 50_000)),
    throwError(() => new Error('the source broke')),
  );
  await expect(stage.unpack('', broken$)).rejects.toThrow('the source broke');
  const left = stage.unpackUntil('', concat(of(archive.subarray(0, 50_000)), NEVER), () =>
    existsSync(at('d/f')),
  );
  await left;
  for (let turn = 0; turn < 1_000 && (open() > before || existsSync(at('d/f'))); turn += 1)
    await new Promise((next) => setImmediate(next));
  expect([open() <= before, existsSync(at('d/f'))]).toEqual([true, false]);
});

it('modes are those of the archive, whatever the umask is, also of a directory that forbids what is put into it', async () => {
  const former = process.umask(0o077);
  try {
    await stage.unpack(
      '',
      await archiveOf(
        [{ name: 'd', type: 'directory', mode: 0o555 }],
        [{ name: 'd/e', type: 'directory', mode: 0o775 }],
        [{ name: 'd/e/f', mode: 0o666 }, 'x'],
      ),
    );
  } finally {
    process.umask(former);
  }
  const modes = ['d', 'd/e', 'd/e/f'].map((path) => lstatSync(at(path)).mode & 0o777);
  expect(modes).toEqual([0o555, 0o775, 0o666]);
});

it('a program that swaps a directory for a link without pause never gets anything out or in', async () => {
  mkdirSync(at('a'));
  // What was copied in may be in the way of a step of its.
  const swap = `
    const fs = require('fs');
    const make = (work) => { try { work(); } catch {} };
    for (;;) {
      make(() => fs.renameSync('a', 'c'));
      make(() => fs.symlinkSync('../outside', 'a'));
      make(() => fs.unlinkSync('a'));
      make(() => fs.rmSync('a', { recursive: true }));
      make(() => fs.renameSync('c', 'a'));
    }`;
  const archive = await archiveOf(
    [{ name: 'a/secret' }, 'mine'],
    [{ name: 'a/name', type: 'link', linkname: 'a/secret' }],
    [{ name: 'a/l', type: 'symlink', linkname: 'secret' }],
    [{ name: 'a/d', type: 'directory', mode: 0o700 }],
  );
  const program = spawn(process.execPath, ['-e', swap], { cwd: stage.top, stdio: 'ignore' });
  const seen = new Set<string>();
  const tried = async (work: Promise<string>): Promise<void> => {
    seen.add(
      await work.catch((error: unknown) => (hasTag(error, 'FileFailed') ? error._tag : String(error))),
    );
  };
  const packed = async (): Promise<string> =>
    (await all(stage.packed('', ''))).includes('of somebody') ? 'told' : 'packed';
  try {
    for (let round = 0; round < 300; round += 1) {
      await tried(stage.unpack('', archive).then(() => 'unpacked'));
      await tried(packed());
    }
  } finally {
    const ended = new Promise((done) => program.once('exit', done));
    program.kill('SIGKILL');
    await ended;
  }
  expect([...seen].sort()).toEqual(['FileFailed', 'packed', 'unpacked']);
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret of somebody');
  expect(statSync(outside).mode & 0o777).toBe(0o755);
}, 60_000);
