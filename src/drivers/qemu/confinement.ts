import type { QemuUser } from './qemuUser.js';

/** What a QEMU gives up before its guest runs. */
export interface Confinement {
  /** The user that it becomes; without one it stays who it is. */
  readonly user: QemuUser | undefined;
  readonly hasSandbox: boolean;
}

/**
 * The part of a command line that has a QEMU of some version give up what it needs no more: to start programs and
 * processes, to change priorities, calls of the kernel that nobody uses any more. And to become another user: but it has to
 * be able to do so itself once, and whoever is no superuser then gains nothing by that call.
 */
export function confinementArgs(version: string, { user, hasSandbox }: Confinement): readonly string[] {
  const elevate = user === undefined ? 'deny' : 'allow';
  const denied = `obsolete=deny,elevateprivileges=${elevate},resourcecontrol=deny,spawn=deny`;
  return [
    ...(hasSandbox ? ['-sandbox', `on,${denied}`] : []),
    ...(user === undefined ? [] : becoming(version, `${String(user.uid)}:${String(user.gid)}`)),
  ];
}

const becoming = (version: string, user: string): readonly string[] => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNew = major > 9 || (major === 9 && minor >= 1);
  return isNew ? ['-run-with', `user=${user}`] : ['-runas', user];
};
