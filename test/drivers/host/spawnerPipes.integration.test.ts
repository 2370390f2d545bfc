import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnerFiles } from '../../../src/drivers/host/spawnerFiles.js';
import { spawnerPipes } from '../../../src/drivers/host/spawnerPipes.js';

const folder = mkdtempSync(join(tmpdir(), 'pipes-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const nothing = (): void => undefined;
const { openPipes } = spawnerPipes({
  ...{ files: spawnerFiles(), make: nothing, start: nothing, failStart: nothing, isForNow: () => false },
});

const pipe = (path: string): void => {
  execFileSync('mkfifo', [path]);
};

/** Opens what was put where the pipes of a process are, and tells how many. */
function openBoth(name: string, put: (path: string) => void): number {
  const pipes = join(folder, name);
  mkdirSync(pipes);
  pipe(join(pipes, 'stdout'));
  put(join(pipes, 'stderr'));
  const output = { pipes, logs: folder, run: 'abcd', maxBytes: 1, keep: 1 };
  const opened = openPipes(output, constants.O_RDWR | constants.O_NONBLOCK);
  for (const fd of opened) closeSync(fd);
  return opened.length;
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('the pipes of a process', () => {
  it('are opened by their names', () => {
    expect(openBoth('pipes', pipe)).toBe(2);
  });

  it.each<[string, (path: string) => void, string]>([
    [
      'a file',
      (path) => {
        writeFileSync(path, '');
      },
      'it is not a pipe of this user',
    ],
    [
      'a link to a pipe',
      (path) => {
        pipe(`${path}.other`);
        symlinkSync(`${path}.other`, path);
      },
      'ELOOP',
    ],
    ['nothing', nothing, 'ENOENT'],
  ])('are not opened where %s stands in the place of one, and none stays open', (name, put, failure) => {
    const before = openFiles();
    expect(() => openBoth(name, put)).toThrow(failure);
    expect(openFiles()).toBe(before);
  });
});
