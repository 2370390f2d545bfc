import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { messageOf } from '../../lifecycle/messageOf.js';

/** What an installed QEMU is. */
export interface QemuVersion {
  /** Such as `7.2.22`. */
  readonly version: string;
  /** Resolved name of its board `pc`. */
  readonly machine: string;
}

const run = promisify(execFile);

/** Asks a QEMU what it is. @throws {@link LaunchFailed} where there is none, or none that can be used */
export async function inspectQemu(program: string): Promise<QemuVersion> {
  const [{ stdout: versions }, { stdout: machines }] = await Promise.all([
    runQemu(program, ['--version']),
    runQemu(program, ['-machine', 'help']),
  ]);
  const version = /version (\d+\.\d+\.\d+)/.exec(versions)?.[1];
  const machine = /^pc\s.*\(alias of ([\w.-]+)\)/m.exec(machines)?.[1];
  if (version === undefined || machine === undefined) {
    throw new LaunchFailed(`"${program}" is no QEMU with a board "pc"`);
  }
  return { version, machine };
}

/** Runs a program of QEMU to its end. @throws {@link LaunchFailed} with what it said */
export async function runQemu(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<{ readonly stdout: string }> {
  try {
    return await run(program, [...args], { cwd });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    if (code === 'ENOENT') throw new LaunchFailed(missing(program), { cause: error });
    throw new LaunchFailed(`"${program}" failed: ${stderr?.trim() ?? messageOf(error)}`, { cause: error });
  }
}

/** What to do where a program of QEMU is missing. */
export const missing = (program: string): string =>
  `there is no program "${program}": install QEMU (on Debian the packages qemu-system-x86 and qemu-utils), or tell the driver where it is`;
