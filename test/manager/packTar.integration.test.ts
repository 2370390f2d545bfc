import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { all, openTarStage, type TarStage } from './tarStage.js';

let stage: TarStage;
beforeEach(() => {
  stage = openTarStage();
});
afterEach(() => stage.close());

const at = (...parts: string[]): string => join(stage.top, ...parts);
const long = Array.from({ length: 30 }, (_, index) => `directory-${String(index)}`).join('/');

/** What GNU tar makes of an archive, in the folder outside. */
const unpackedByGnu = (archive: Buffer): string => {
  const folder = join(stage.folder, 'outside');
  execFileSync('tar', ['xpf', '-', '-C', folder], { input: archive });
  return folder;
};

it('GNU tar unpacks what was packed, with modes, times, links, further names, and names of any length', async () => {
  mkdirSync(at('a', long), { recursive: true });
  writeFileSync(at('a', long, 'größe.txt'), 'far down');
  writeFileSync(at('a/none'), '');
  chmodSync(at('a/none'), 0o000);
  writeFileSync(at('a/run'), '#!', { mode: 0o755 });
  chmodSync(at('a/run'), 0o4755);
  linkSync(at('a/run'), at('a/same'));
  symlinkSync(`${'../'.repeat(60)}etc`, at('a/link'));
  for (const [name, year] of [
    ['a/none', 1960],
    ['a/run', 2100],
  ] as const)
    utimesSync(at(name), new Date(year, 0), new Date(year, 0));
  const folder = unpackedByGnu(await all(stage.packed('', 'a')));
  const found = (name: string): Stats => lstatSync(join(folder, 'a', name));
  expect(readFileSync(join(folder, 'a', long, 'größe.txt'), 'utf8')).toBe('far down');
  expect(readlinkSync(join(folder, 'a/link'))).toBe(`${'../'.repeat(60)}etc`);
  expect([found('none').mode, found('run').mode].map((mode) => mode & 0o7777)).toEqual([0, 0o755]);
  expect([found('none'), found('run')].map(({ mtime }) => mtime.getFullYear())).toEqual([1960, 2100]);
  expect(found('same').ino).toBe(found('run').ino);
});

it('names of directories are packed as long as they are, and files past 2038 and before 1970', async () => {
  const names = [99, 100, 101, 150, 155, 156, 200].map((length) => 'd'.repeat(length));
  for (const name of names) mkdirSync(at(name));
  const years = [1902, 1969, 1970, 2037, 2038, 2039, 2250];
  for (const year of years) {
    writeFileSync(at(String(year)), '');
    utimesSync(at(String(year)), new Date(Date.UTC(year, 6)), new Date(Date.UTC(year, 6)));
  }
  const folder = unpackedByGnu(await all(stage.packed('', '')));
  expect(readdirSync(folder).sort()).toEqual([...years.map(String), ...names].sort());
  const found = years.map((year) =>
    lstatSync(join(folder, String(year)))
      .mtime.toISOString()
      .slice(0, 7),
  );
  expect(found).toEqual(years.map((year) => `${String(year)}-07`));
});

it('nothing is packed ahead of who reads', async () => {
  for (let index = 0; index < 1_000; index += 1) mkdirSync(at(String(index)));
  const reading = stage.packed('', '')[Symbol.asyncIterator]();
  await reading.next();
  for (let index = 0; index < 1_000; index += 1) rmdirSync(at(String(index)));
  const rest: Uint8Array[] = [];
  for (let next = await reading.next(); next.done !== true; next = await reading.next())
    rest.push(next.value);
  expect(Buffer.concat(rest)).toEqual(Buffer.alloc(1_024));
});

it('tar-stream reads it too', async () => {
  mkdirSync(at('a', long), { recursive: true });
  writeFileSync(at('a', long, 'b'), 'x'.repeat(200_000));
  const parser = extract();
  parser.end(await all(stage.packed('', 'a')));
  const sizes: number[] = [];
  for await (const entry of parser) {
    if (entry.header.name === `a/${long}/b`) sizes.push(entry.header.size);
    entry.resume();
  }
  expect(sizes).toEqual([200_000]);
});

it('the top is packed without a name of its own, a file under its own', async () => {
  mkdirSync(at('d'));
  writeFileSync(at('d/f'), 'text');
  const names = async (directory: string, name: string): Promise<string[]> =>
    execFileSync('tar', ['tf', '-'], { input: await all(stage.packed(directory, name)), encoding: 'utf8' })
      .trim()
      .split('\n');
  await expect(names('', '')).resolves.toEqual(['d/', 'd/f']);
  await expect(names('d', 'f')).resolves.toEqual(['f']);
});

it('pipes are left out, and no link is followed', async () => {
  writeFileSync(join(stage.folder, 'outside/secret'), 'secret');
  execFileSync('mkfifo', [at('pipe')]);
  symlinkSync('../outside', at('out'));
  const archive = await all(stage.packed('', ''));
  expect(archive.includes('secret')).toBe(false);
  expect(archive.includes('pipe')).toBe(false);
  await expect(all(stage.packed('out', 'secret'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

it('of a file that grows while it is packed the beginning is there; one that shrinks fails', async () => {
  for (const name of ['grows', 'shrinks']) writeFileSync(at(name), Buffer.alloc(1_000_000, 'x'));
  const packing = async (name: string, change: () => void): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of stage.packed('', name)) {
      if (pieces.push(piece) === 1) change();
    }
    return Buffer.concat(pieces);
  };
  const grown = await packing('grows', () => {
    appendFileSync(at('grows'), 'more');
  });
  expect(readFileSync(join(unpackedByGnu(grown), 'grows'))).toHaveLength(1_000_000);
  const shrunk = packing('shrinks', () => {
    truncateSync(at('shrinks'), 500_000);
  });
  await expect(shrunk).rejects.toMatchObject({ _tag: 'FileFailed', path: 'shrinks', code: 'ESTALE' });
});

it('a name that is no UTF-8, and what is not there, is told by its path', async () => {
  mkdirSync(at('d'));
  writeFileSync(Buffer.concat([Buffer.from(at('d/')), Buffer.from([0xff])]), '');
  await expect(all(stage.packed('', 'd'))).rejects.toMatchObject({ path: 'd/\uFFFD', code: 'EILSEQ' });
  await expect(all(stage.packed('d', 'none'))).rejects.toMatchObject({ path: 'd/none', code: 'ENOENT' });
});

it('directories in directories without end are refused, and end', async () => {
  const dig =
    "for (let depth = 0; depth < 30; depth += 1) { fs.mkdirSync('d'.repeat(200)); process.chdir('d'.repeat(200)); }";
  execFileSync(process.execPath, ['-e', dig], { cwd: stage.top });
  await expect(all(stage.packed('', ''))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
});

it('whoever goes before the end leaves nothing open', async () => {
  writeFileSync(at('large'), Buffer.alloc(1_000_000));
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let round = 0; round < 20; round += 1)
    for await (const piece of stage.packed('', '')) if (piece.length > 0) break;
  for (let turn = 0; turn < 1_000 && open() > before; turn += 1)
    await new Promise((next) => setImmediate(next));
  expect(open()).toBeLessThanOrEqual(before);
});
