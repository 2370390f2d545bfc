import { LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { runProgram } from '../host/runProgram.js';

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

/** Creates {@link Programs}. */
export const createPrograms = (timeoutMs = longestMs): Programs => ({
  run: async (program, args, cwd = '/') => {
    try {
      return await runProgram(program, args, { cwd, timeoutMs });
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const message = isMissing ? missing(program) : `"${program}" failed: ${messageOf(error)}`;
      throw new LaunchFailed({ reason: message }, { cause: error });
    }
  },
});

/** What to do where a program of QEMU is missing. */
export const missing = (program: string): string =>
  `there is no program "${program}": install QEMU (on Debian the packages qemu-system-x86 and qemu-utils), or tell the driver where it is`;
