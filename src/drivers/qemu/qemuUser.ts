import { LaunchFailed } from '../../lifecycle/errors.js';
import type { Programs } from './programs.js';

/** A user of this host. */
export interface QemuUser {
  readonly uid: number;
  readonly gid: number;
}

/** Users that are there for QEMU, or for nothing in particular; of those that a host has, the first. */
const usual = ['libvirt-qemu', 'qemu', 'nobody'];

/** Whether this process may run QEMU as another user. */
export const mayChangeUser = (): boolean => process.geteuid?.() === 0;

/**
 * Finds the user as whom a manager runs QEMU that is root itself; without a name one that is there. `undefined` where QEMU runs as
 * the manager does.
 *
 * @throws {@link LaunchFailed} where there is no such user
 */
export async function findQemuUser(
  name: string | undefined,
  programs: Programs,
): Promise<QemuUser | undefined> {
  if (!mayChangeUser()) return undefined;
  if (name !== undefined) return known(name, programs);
  for (const each of usual) {
    try {
      return await known(each, programs);
    } catch {
      // Nobody has them all.
    }
  }
  const names = usual.join(', ');
  throw new LaunchFailed({
    reason: `this host has none of the users ${names}, as one of whom QEMU would run; name one by the option "user" of the driver, or "root"`,
  });
}

async function known(name: string, { run }: Programs): Promise<QemuUser | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (which) => Number.parseInt(await run('id', [which, name]), 10)),
    );
    if (!Number.isSafeInteger(uid) || !Number.isSafeInteger(gid)) throw new Error('"id" tells no numbers');
    return uid === 0 ? undefined : { uid: uid as number, gid: gid as number };
  } catch (error) {
    throw new LaunchFailed({ reason: `there is no user "${name}" as whom QEMU could run` }, { cause: error });
  }
}
