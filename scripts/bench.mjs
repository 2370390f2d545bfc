// Runs a program of bench/ on the built package: `node scripts/bench.mjs run publish`. The peers are installed first, and
// the package is built, where that is missing or older than the sources. With `--source` before the name it runs on the
// sources themselves: enough to check answers, and nothing has to be built. `--base REV` names the revision that the table
// `before` measures against, `--output-mb N` how much the table `output` writes,
// `--idle-seconds N` how long `idle-cpu` looks on.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { installPeers } from './peers.mjs';

const [first, ...others] = process.argv.slice(2);
const onSource = first === '--source';
const [program, ...options] = onSource ? others : [first, ...others];
const base = taken('--base');
const outputMb = taken('--output-mb');
const idleSeconds = taken('--idle-seconds');

/** Takes an option with its value from those that the program gets. */
function taken(name) {
  const at = options.indexOf(name);
  const [, value] = at < 0 ? [] : options.splice(at, 2);
  return value;
}

function isStale() {
  const built = 'dist/esm/package.json';
  if (!existsSync(built)) return true;
  const files = readdirSync('src', { recursive: true }).map((file) => join('src', file));
  return [...files, 'tsconfig.build.json'].some((file) => statSync(file).mtimeMs > statSync(built).mtimeMs);
}

installPeers();
if (!onSource && isStale()) {
  console.log('Building the package');
  execFileSync('node', ['scripts/build.mjs'], { stdio: 'inherit' });
}
const env = {
  ...process.env,
  TS_NODE_PROJECT: onSource ? 'tsconfig.json' : 'bench/tsconfig.dist.json',
  ...(base === undefined ? {} : { BENCH_BASE: base }),
  ...(outputMb === undefined ? {} : { BENCH_OUTPUT_MB: outputMb }),
  ...(idleSeconds === undefined ? {} : { BENCH_IDLE_SECONDS: idleSeconds }),
};
const node = ['--expose-gc', '--require', 'ts-node/register', `bench/${program}.ts`, ...options];
const { status, signal } = spawnSync(process.execPath, node, { env, stdio: 'inherit' });
process.exitCode = signal === null ? (status ?? 1) : 1;
