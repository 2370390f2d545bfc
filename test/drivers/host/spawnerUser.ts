/**
 * Starts a program by way of a spawner, and another on each SIGINT, and closes nothing. Writes a line for each thing that
 * happens.
 */
import { closeSync, openSync } from 'node:fs';
import { createSpawner } from '../../../src/drivers/host/spawner.js';

const [what = '', keepPath = '', cwd = '', output = '', program = '', ...args] = process.argv.slice(2);
const spawner = createSpawner();
const keep = keepPath === '' ? {} : { keep: { path: keepPath, handle: {}, token: 'secret' } };
const env = { PATH: process.env['PATH'] ?? '' };

const say = (it: object): void => {
  process.stdout.write(`${JSON.stringify(it)}\n`);
};

const begin = (): Promise<void> =>
  spawner.start({ program, args, cwd, env, output, ...keep }).then(
    async ({ pid, ended$, spare, forget }) => {
      if (what.startsWith('spare')) await spare(Number(what.slice('spare'.length)));
      say({ pid });
      if (what === 'forget') forget();
      else ended$.subscribe(say);
    },
    (error: unknown) => {
      const { message, cause } = error as Error;
      say({ message, code: (cause as NodeJS.ErrnoException | undefined)?.code });
    },
  );

/** As many as this process may have. */
function openAll(): readonly number[] {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync('/dev/null', 'r'));
  } catch {
    return files;
  }
}

process.on('SIGINT', () => void begin());

if (what === 'full') {
  const files = openAll();
  void begin().then(() => {
    for (const file of files) closeSync(file);
    return begin();
  });
} else void begin();
