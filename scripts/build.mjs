// Builds the package twice, as CommonJS and as ES modules, into dist/cjs and dist/esm.
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

const builds = [
  { folder: 'dist/cjs', module: 'CommonJS', type: 'commonjs' },
  { folder: 'dist/esm', module: 'ES2022', type: 'module' },
];

async function build({ folder, module, type }) {
  const options = ['-p', 'tsconfig.build.json', '--module', module, '--outDir', folder];
  await promisify(execFile)('node_modules/.bin/tsc', options).catch(({ stdout, stderr }) => {
    console.error(stdout + stderr);
    process.exitCode = 1;
  });
  // The nearest package.json decides how Node reads a .js file.
  writeFileSync(`${folder}/package.json`, `${JSON.stringify({ type })}\n`);
}

rmSync('dist', { recursive: true, force: true });
await Promise.all(builds.map(build));
