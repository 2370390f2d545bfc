import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownMark } from '../../../src/drivers/driver.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { asAnybody } from '../../support/asAnybody.js';

const folder = mkdtempSync(join(tmpdir(), 'remove-tree-'));
const home = process.cwd();

// What anybody may do is done by relative paths: the folders above are for their owner only.
beforeAll(() => {
  chmodSync(folder, 0o777);
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(home);
  await removeTree(folder);
});

/** Makes a folder of anybody's with these files in it. */
function tree(name: string, ...files: readonly string[]): void {
  for (const file of files) {
    mkdirSync(join(name, file, '..'), { recursive: true });
    writeFileSync(join(name, file), file);
  }
}

/** Makes files anybody's, and gives the folders among them modes of their own. */
function give(modes: Readonly<Record<string, number>>): void {
  for (const [path, mode] of Object.entries(modes)) {
    chownSync(path, process.geteuid?.() === 0 ? 65_534 : lstatSync(path).uid, lstatSync(path).gid);
    chmodSync(path, mode);
  }
}

it('removes a folder with all that is in it', async () => {
  tree('deep', 'a/b/c/d', 'a/e', 'f');
  await removeTree('deep');
  expect(existsSync('deep')).toBe(false);
});

it('takes what is not there for removed already', async () => {
  await expect(removeTree('none')).resolves.toBeUndefined();
  await expect(removeTree('none/in/none')).resolves.toBeUndefined();
});

it('removes folders that nobody may write to, or look into', async () => {
  tree('closed', 'a/b/c', 'a/d/e', 'f/g');
  give({ 'closed/a/b': 0o500, 'closed/a/d': 0o000, 'closed/a': 0o500, 'closed/f': 0o400, closed: 0o500 });
  await asAnybody(() => removeTree('closed'));
  expect(existsSync('closed')).toBe(false);
});

it('removes what bears names that are not UTF-8, also where nobody may write', async () => {
  tree('bytes', 'a/b');
  const inner = Buffer.from('bytes/a/caf\xe9', 'latin1');
  mkdirSync(inner);
  writeFileSync(Buffer.concat([inner, Buffer.from('/\xff', 'latin1')]), '');
  for (const path of [inner, 'bytes/a', 'bytes']) {
    chownSync(path, process.geteuid?.() === 0 ? 65_534 : lstatSync(path).uid, lstatSync(path).gid);
    chmodSync(path, 0o500);
  }
  await asAnybody(() => removeTree('bytes'));
  expect(existsSync('bytes')).toBe(false);
});

it('leaves alone what a link leads to', async () => {
  tree('elsewhere', 'kept');
  tree('linked', 'a/b');
  symlinkSync(join(folder, 'elsewhere'), 'linked/a/link');
  give({ elsewhere: 0o500, 'linked/a': 0o500, linked: 0o700 });
  await asAnybody(() => removeTree('linked'));

  expect(existsSync('linked')).toBe(false);
  expect(existsSync('elsewhere/kept')).toBe(true);
  expect(lstatSync('elsewhere').mode & 0o777).toBe(0o500);
});

it('fails where it may not remove, and says so', async () => {
  tree('locked/inner', 'a');
  give({ locked: 0o500 });
  const code = expect.stringMatching(/^(EACCES|EPERM)$/) as string;
  await expect(asAnybody(() => removeTree('locked/inner'))).rejects.toMatchObject({ code });
});

it('removes what a removal has left that was cut off, together with what bears its name, or without', async () => {
  tree('left.removed', 'a/b');
  await removeTree('left');
  tree('left', 'a/b');
  tree('left.removed', 'c');
  await removeTree('left');
  expect(existsSync('left') || existsSync('left.removed')).toBe(false);
});

it('has what it removes under another name at once, with our mark in it to the last', async () => {
  tree('cut', ownMark, 'locked/a', 'b');
  // Nobody can remove what is immutable; where the tests may not make it so, a folder of another stands for it.
  give({ 'cut/locked': 0o500, cut: 0o755 });
  if (process.geteuid?.() === 0) {
    chownSync('cut', 65_534, 0);
    chownSync('cut/locked', 0, 0);
  }
  await asAnybody(() => removeTree('cut')).catch(() => undefined);
  expect(existsSync('cut')).toBe(false);
  if (process.geteuid?.() === 0) expect(readdirSync('cut.removed').toSorted()).toEqual([ownMark, 'locked']);
  await removeTree('cut');
  expect(existsSync('cut.removed')).toBe(false);
});

it('removes a link and not what it leads to', async () => {
  tree('led', 'kept');
  symlinkSync('led', 'leads');
  await removeTree('leads');
  expect([existsSync('leads'), existsSync('led/kept')]).toEqual([false, true]);
});

it('removes a directory of more names than it reads at a time', async () => {
  mkdirSync('many');
  for (let file = 0; file < 5_000; file += 1) writeFileSync(`many/${String(file)}`, '');
  await removeTree('many');
  expect(existsSync('many')).toBe(false);
});

it('goes by paths where descriptors lead nowhere', async () => {
  tree('by-path', 'a/b/c/d/e/f/g', 'a/h', 'i');
  await removeTree('by-path', 'darwin');
  tree('by-path', 'a/b/c', 'd');
  give({ 'by-path/a/b': 0o000, 'by-path/a': 0o500, 'by-path': 0o500 });
  await asAnybody(() => removeTree('by-path', 'darwin'));
  expect(existsSync('by-path')).toBe(false);
});
