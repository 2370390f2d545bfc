import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

/** A program that puts a link to a folder elsewhere in the place of a directory, and a link to a file there in that of a file. */
export interface Swapper {
  /** Resolves once it has ended. */
  stop(): Promise<void>;
}

const program = `
const fs = require('node:fs');
const [outside] = process.argv.slice(1);
const attempt = (work) => { try { work(); } catch {} };
const [directory, file] = ['swapped', 'file'];
for (let times = 0; ; times += 1) {
  if (times === 1) fs.writeFileSync(outside + '/goes', '');
  attempt(() => fs.mkdirSync(directory));
  attempt(() => fs.writeFileSync(directory + '/canary', 'inside'));
  attempt(() => fs.rmSync(file));
  attempt(() => fs.writeFileSync(file, 'inside'));
  attempt(() => fs.renameSync(directory, directory + '.aside'));
  attempt(() => fs.symlinkSync(outside, directory));
  attempt(() => fs.rmSync(file));
  attempt(() => fs.symlinkSync(outside + '/canary', file));
  attempt(() => fs.unlinkSync(directory));
  attempt(() => fs.renameSync(directory + '.aside', directory));
}`;

/** Starts one that works in a folder, whatever name that gets, and does so without a pause until it is stopped. */
export async function startSwapper(folder: string, outside: string): Promise<Swapper> {
  rmSync(join(outside, 'goes'), { force: true });
  const child = spawn(process.execPath, ['-e', program, outside], { cwd: folder, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  await until(
    () => existsSync(join(outside, 'goes')),
    (goes) => goes,
  );
  return {
    stop: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}
