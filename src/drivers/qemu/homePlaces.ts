import { chmod, chown, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { LaunchFailed } from '../../lifecycle/errors.js';
import { createLogFiles, logDirOf } from '../host/logFiles.js';
import { memoryFiles } from './memory.js';
import type { QemuUser } from './qemuUser.js';
import { machineDirOf } from './vmPaths.js';

/**
 * Sees that what QEMU opens by its path is what it should be, or is not there yet: QEMU follows links, and waits for the other end of
 * a pipe.
 *
 * @throws {@link LaunchFailed} naming what is not
 */
export async function checkPlaces(home: string): Promise<void> {
  const folders = [machineDirOf(home), logDirOf(home)];
  const files = [join(machineDirOf(home), memoryFiles.ram), createLogFiles(home).path];
  const check = async (path: string, what: 'file' | 'folder'): Promise<void> => {
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined || (what === 'file' ? found.isFile() : found.isDirectory())) return;
    throw new LaunchFailed({ reason: `the home of the instance is damaged: ${path} is no ${what}` });
  };
  await Promise.all([
    ...folders.map((path) => check(path, 'folder')),
    ...files.map((path) => check(path, 'file')),
  ]);
}

/**
 * Lets the user as whom QEMU runs find in a home what it opens when it is that user already: layers of the disk, and the socket for
 * its state. It may go in by the group, and make nothing there: all files stay the manager's.
 */
export async function letUserIn(home: string, user: QemuUser | undefined): Promise<void> {
  if (user === undefined) return;
  await Promise.all(
    [home, machineDirOf(home)].map(async (path) => {
      await chown(path, 0, user.gid);
      await chmod(path, 0o710);
    }),
  );
}
