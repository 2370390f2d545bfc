import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../../src/drivers/process/programFile.js';

const folder = mkdtempSync(join(tmpdir(), 'program-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it('a program is the first file of its name that may be executed, and no folder', () => {
  const folders = ['empty', 'folder', 'text', 'first', 'second'].map((name) => join(folder, name));
  const [, ofFolder = '', text = '', first = '', second = ''] = folders;
  for (const each of folders) mkdirSync(each);
  mkdirSync(join(ofFolder, 'program'));
  for (const each of [text, first, second]) writeFileSync(join(each, 'program'), '');
  for (const each of [first, second]) chmodSync(join(each, 'program'), 0o755);
  expect(findProgram('program', { cwd: '/', path: folders.join(':') })).toBe(join(first, 'program'));
  expect(findProgram('none', { cwd: '/', path: folders.join(':') })).toBeUndefined();
});
