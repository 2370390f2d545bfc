// Sees to what the tests need beyond npm: QEMU, what the small image is built with, the image itself, tools of the
// network, a browser, PostgreSQL, and Prometheus. On Debian, as root, it installs what is missing; elsewhere it tells.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { buildImage } from './image.mjs';
import { isThere, packageOf } from './run.mjs';

const programs = [
  'chromium',
  'qemu-system-x86_64',
  'qemu-img',
  'cpio',
  'xz',
  'musl-gcc',
  'conntrack',
  'ip',
  'nft',
  'unshare',
  'pg_createcluster',
  'prometheus',
  'promtool',
];

const mayInstall = process.getuid?.() === 0 && isThere('apt-get');

/** Runs apt-get, waiting for another that runs; tells whether it did what it was asked. */
function aptGet(...options) {
  console.log(`apt-get ${options.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const args = ['-q', '-o', 'DPkg::Lock::Timeout=300', ...options];
  return spawnSync('apt-get', args, { env, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** Debian's PostgreSQL would begin a database of its own, and serve it. */
function keepNoCluster() {
  const file = '/etc/postgresql-common/createcluster.conf';
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'create_main_cluster = false\n');
}

function installMissing() {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  // Without a font a browser shows no text.
  const fonts = missing.includes('chromium') ? ['fonts-dejavu-core'] : [];
  if (missing.includes('pg_createcluster') && mayInstall) keepNoCluster();
  const packages = [...new Set(missing.map((program) => packageOf[program])), ...fonts];
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  // The lists of packages may be missing, or older than the packages.
  if (mayInstall && (aptGet(...install) || (aptGet('update') && aptGet(...install)))) return;
  throw new Error(
    `The tests need ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} not here.\n` +
      `On Debian, as root: apt-get install --no-install-recommends ${packages.join(' ')}\n` +
      'Elsewhere: the packages of Chromium, QEMU, GNU cpio, XZ Utils, musl, conntrack-tools, iproute2, nftables, util-linux, PostgreSQL and Prometheus',
  );
}

function build() {
  try {
    buildImage();
  } catch (error) {
    if (!mayInstall || !aptGet('update')) throw error;
    buildImage();
  }
}

try {
  installMissing();
  build();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
