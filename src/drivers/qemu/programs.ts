import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, timer } from 'rxjs';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { createProcessGroup } from '../host/processGroup.js';
import type { Spawner } from '../host/spawner.js';
import { readPlain } from './plainFile.js';

/** Runs programs that end by themselves. */
export interface Programs {
  /**
   * Runs one to its end and resolves with what it said. It may take 30 s and say 1 MiB.
   *
   * @throws {@link LaunchFailed} as a rejection, with what it said where it failed
   */
  run(program: string, args: readonly string[], cwd?: string): Promise<string>;
}

const longestMs = 30_000;
const mostBytes = 1_024 * 1_024;

/** Creates {@link Programs} that are started by a spawner, from which they inherit nothing that this process has open. */
export function createPrograms(spawner: Spawner, timeoutMs = longestMs): Programs {
  const run = async (program: string, args: readonly string[], cwd = '/'): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'rx-instances-'));
    try {
      const logPath = join(folder, 'said');
      const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };
      const { pid, ended$ } = await spawner.start({ program, args, cwd, env, logPath });
      const late = new AbortController();
      const watch = timer(timeoutMs).subscribe(() => {
        late.abort();
        createProcessGroup(pid).signal('SIGKILL');
      });
      const { code, signal } = await lastValueFrom(ended$).finally(() => {
        watch.unsubscribe();
      });
      if (late.signal.aborted) throw new Error(`it has not ended within ${String(timeoutMs)} ms`);
      const said = await readPlain(logPath, mostBytes);
      if (code === 0) return said;
      throw new Error(said.trim() === '' ? `it ended with ${String(code ?? signal)}` : said.trim());
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  return {
    run: async (program, args, cwd) => {
      try {
        return await run(program, args, cwd);
      } catch (error) {
        const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const message = isMissing ? missing(program) : `"${program}" failed: ${messageOf(error)}`;
        throw new LaunchFailed(message, { cause: error });
      }
    },
  };
}

/** What to do where a program of QEMU is missing. */
export const missing = (program: string): string =>
  `there is no program "${program}": install QEMU (on Debian the packages qemu-system-x86 and qemu-utils), or tell the driver where it is`;
