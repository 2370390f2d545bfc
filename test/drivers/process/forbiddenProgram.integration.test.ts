import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forbiddenProgram } from '../../../src/drivers/process/forbiddenProgram.js';
import { asAnybody } from '../../support/asAnybody.js';

const folder = mkdtempSync(join(tmpdir(), 'forbidden-'));
const closed = join(folder, 'closed');
mkdirSync(closed, { mode: 0 });

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const said = (program: string, path: string): Promise<string> =>
  asAnybody(() => Promise.resolve(forbiddenProgram(program, { cwd: '/', path })));

it('a folder of PATH that may not be entered is named where no other has the program', async () => {
  await expect(said('no-such-program', `/bin:${closed}:/no/such`)).resolves.toBe(
    `there is no program "no-such-program" in PATH, of which "${closed}" may not be entered`,
  );
});

it.each([
  ['is in a folder of PATH', 'passwd', '/etc'],
  ['is there, whatever else may not be entered', 'passwd', `${closed}:/etc`],
  ['is named by a path', `${closed}/tool`, '/bin'],
])('it is the program that may not be executed which %s', async (_, program, path) => {
  await expect(said(program, path)).resolves.toBe(`"${program}" may not be executed`);
});
