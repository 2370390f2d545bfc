// Runs programs that the scripts need, and tells how to get one that is missing.
import { execFileSync } from 'node:child_process';

/** Programs beyond npm, and the Debian packages that they come from. */
export const packageOf = {
  'apt-get': 'apt',
  chromium: 'chromium',
  conntrack: 'conntrack',
  cpio: 'cpio',
  'dpkg-deb': 'dpkg',
  ip: 'iproute2',
  lz4: 'lz4',
  nft: 'nftables',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  unshare: 'util-linux',
  xz: 'xz-utils',
  zstd: 'zstd',
};

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
