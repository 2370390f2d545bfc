// Runs programs that the scripts need, and tells how to get one that is missing.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs beyond npm, and the Debian packages that they come from. */
export const packageOf = {
  'apt-get': 'apt',
  chromium: 'chromium',
  conntrack: 'conntrack',
  cpio: 'cpio',
  'dpkg-deb': 'dpkg',
  ip: 'iproute2',
  lz4: 'lz4',
  'musl-gcc': 'musl-tools',
  nft: 'nftables',
  pg_createcluster: 'postgresql',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  unshare: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
};

// Debian has them in nobody else's PATH.
const ofTheSuperuser = ['/usr/sbin', '/sbin'];

/** Whether a program can be run. */
export const isThere = (program) =>
  [...process.env.PATH.split(delimiter), ...ofTheSuperuser].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Returns what a program printed; throws what it complained of. */
export function run(program, options, { cwd, input } = {}) {
  try {
    return execFileSync(program, options, { cwd, input, maxBuffer: Infinity, stdio: 'pipe' });
  } catch (error) {
    if (error.code === 'ENOENT') {
      throw new Error(`There is no ${program} here. On Debian: apt-get install ${packageOf[program]}`);
    }
    throw new Error(
      `${program} ${options.join(' ')} failed:\n${String(error.stderr).trim() || error.message}`,
    );
  }
}
