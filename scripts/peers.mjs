// Installs what bench/ measures against, where that is missing or older than its lock file.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const lock = 'bench/package-lock.json';
const installed = 'bench/node_modules/.package-lock.json';

/** Does nothing when all is there. */
export function installPeers() {
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log('Installing the peers of bench/');
  const options = ['ci', '--prefix', 'bench', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', options, { stdio: 'inherit' });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) installPeers();
