// Runs the fast tests, those that are not `*.integration.test.ts`, and the first example on every Node that the workflow names, which come as npm
// packages into a temporary folder. With `--example` it runs the example only.
// Usage: node scripts/nodes.mjs [--example]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';

const { jobs } = parse(readFileSync('.github/workflows/test.yml', 'utf8'));
const versions = jobs.linux.strategy.matrix.node;
const isExampleOnly = process.argv.includes('--example');
const folder = mkdtempSync(join(tmpdir(), 'nodes-'));

/** Each under a name of its own, so that all can lie side by side. */
function install() {
  const binaries = `node-${process.platform}-${process.arch}`;
  const specs = versions.map((version) => `node-${version}@npm:${binaries}@${version}`);
  const options = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--silent'];
  execFileSync('npm', [...options, ...specs], { stdio: 'inherit' });
}

const binOf = (version) => join(folder, 'node_modules', `node-${version}`, 'bin');

/** Runs a program, and whatever that starts by the name `node`, on a version. */
function run(version, ...args) {
  const env = { ...process.env, PATH: [binOf(version), process.env.PATH].join(delimiter) };
  const options = { env, encoding: 'utf8', maxBuffer: 2 ** 26 };
  return spawnSync(join(binOf(version), 'node'), args, options);
}

/** Whoever runs it sees what it prints, and no warning. */
function example(version) {
  const { status, stdout, stderr } = run(
    version,
    ...['--require', './scripts/typescript.cjs', 'examples/01-launch-and-wait.ts'],
  );
  return status === 0 && stdout !== '' && stderr === '' ? undefined : stdout + stderr;
}

/** Warnings of Node go to the same place as what jest tells. */
function fastTests(version) {
  const left = ['integration', 'test/house', 'test/bench', 'test/examples', 'test/readme', '/fixtures/'];
  const { status, stderr } = run(
    version,
    ...['node_modules/jest/bin/jest.js', '--ci', '--testPathIgnorePatterns', ...left],
  );
  const warnings = stderr.split('\n').filter((line) => /\(node:\d+\)/.test(line));
  console.log(`  ${/^Tests: .*$/m.exec(stderr)?.[0] ?? 'no test ran'}`);
  return status === 0 && warnings.length === 0 ? undefined : stderr;
}

try {
  install();
  for (const version of versions) {
    const node = execFileSync(join(binOf(version), 'node'), ['--version'], { encoding: 'utf8' }).trim();
    console.log(`Node ${node}`);
    for (const work of isExampleOnly ? [example] : [example, fastTests]) {
      const fault = work(version);
      if (fault === undefined) continue;
      console.error(fault);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
