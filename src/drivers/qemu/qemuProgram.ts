import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Programs } from './programs.js';

/** What an installed QEMU is. */
export interface QemuVersion {
  /** Such as `7.2.22`. */
  readonly version: string;
  /** Resolved name of its board `pc`. */
  readonly machine: string;
  /** Whether it can give up calls of the kernel that it needs no more. */
  readonly hasSandbox: boolean;
}

/** Asks a QEMU what it is. @throws {@link LaunchFailed} where there is none, or none that can be used */
export async function inspectQemu(program: string, { run }: Programs): Promise<QemuVersion> {
  const boards = async (): Promise<{ readonly machines: string; readonly hasSandbox: boolean }> => {
    try {
      return { machines: await run(program, ['-sandbox', 'on', '-machine', 'help']), hasSandbox: true };
    } catch (error) {
      if (!/sandbox|seccomp/.test((error as Error).message)) throw error;
      return { machines: await run(program, ['-machine', 'help']), hasSandbox: false };
    }
  };
  const [versions, { machines, hasSandbox }] = await Promise.all([run(program, ['--version']), boards()]);
  const version = /version (\d+\.\d+\.\d+)/.exec(versions)?.[1];
  const machine = /^pc\s.*\(alias of ([\w.-]+)\)/m.exec(machines)?.[1];
  if (version === undefined || machine === undefined) {
    throw new LaunchFailed({ reason: `"${program}" is no QEMU with a board "pc"` });
  }
  return { version, machine, hasSandbox };
}
