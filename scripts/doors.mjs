// Opens every door of a packed package as one who installed it: as CommonJS, as an ES module, and as the compiler does.
// Usage: node scripts/doors.mjs build/package/rx-instances-0.1.0.tgz
import { execFileSync } from 'node:child_process';
import { transformFileSync } from '@swc/core';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const tarball = process.argv[2];
const project = mkdtempSync(join(tmpdir(), 'doors-'));

/** Extracts the package as npm would, its dependencies beside it. */
function install() {
  const folder = join(project, 'node_modules/rx-instances');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder]);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(resolve('node_modules', name), link);
  }
  return Object.keys(manifest.exports)
    .filter((path) => !path.endsWith('.json'))
    .map((path) => path.replace('.', 'rx-instances'));
}

/** Runs a file of the project and returns what it printed. */
function run(file, text) {
  writeFileSync(join(project, file), text);
  return execFileSync(process.execPath, [file], { cwd: project, encoding: 'utf8' });
}

const print = 'console.log(Object.keys(door).sort().join(" "))';

/** How projects resolve packages: as Node does today, and as TypeScript did before it knew `exports`. */
const resolutions = [
  '--module nodenext importer.cts importer.mts',
  '--module commonjs --moduleResolution node10 --ignoreDeprecations 6.0 importer.ts',
];

/** Compiles importers in all forms against the declarations, those of the package checked too. */
function compile(doors) {
  const lines = doors.map(
    (door, index) => `import * as door${index} from '${door}';\nexport { door${index} };\n`,
  );
  for (const file of ['importer.ts', 'importer.cts', 'importer.mts']) {
    writeFileSync(join(project, file), lines.join(''));
  }
  const types = resolve('node_modules/@types');
  for (const resolution of resolutions) {
    const options = `--noEmit --strict --target es2022 --types node ${resolution} --typeRoots`;
    execFileSync(resolve('node_modules/.bin/tsc'), [...options.split(' '), types], {
      cwd: project,
      stdio: 'inherit',
    });
  }
}

/** Nothing in the ES modules says where it is: bundlers that write CommonJS leave `import.meta` empty, and say so in a warning only. */
function sayNoPlace() {
  const folder = join(project, 'node_modules/rx-instances/dist/esm');
  const modules = readdirSync(folder, { recursive: true }).filter((each) => each.endsWith('.js'));
  for (const name of modules) {
    if (!readFileSync(join(folder, name), 'utf8').includes('import.meta')) continue;
    throw new Error(`${name} asks for import.meta, which a bundler may leave empty`);
  }
}

/** The page is in the package whole: what it names is served, and what that names in turn, as neither Preact nor htm is installed. */
function servePage(what) {
  const printed = run('page.cjs', page).trim();
  if (!printed.startsWith('/ /page/')) throw new Error(`the page lacks files: ${printed}`);
  console.log(`rx-instances/http: serves its page ${what}, ${printed.split(' ').length} files`);
}

const page = `const fastify = require('fastify');
const { instancesPage } = require('rx-instances/http');
const named = /(?:href|src)="(page[^"]+)"|"\\.(\\/page[^"]+)"|from ?['"]\\.(\\/[^'"]+)['"]/g;
(async () => {
  const app = fastify();
  await app.register(instancesPage);
  const found = new Set(['/']);
  for (const path of found) {
    const { statusCode, body } = await app.inject(path);
    if (statusCode !== 200 || body === '') return console.log(path, 'is', statusCode);
    for (const [, fromPage, fromMap, fromModule] of body.matchAll(named))
      found.add(fromPage ? '/' + fromPage : (fromMap ?? '/page' + fromModule));
  }
  console.log([...found].join(' '));
  await app.close();
})();`;

/**
 * Makes of the package what a bundler may: older JavaScript with helpers at the top of each file, and names of its own. Then it runs a
 * process, which needs a program in another one.
 */
function runBundled() {
  const folder = join(project, 'node_modules/rx-instances/dist/cjs');
  const options = {
    jsc: { target: 'es5', parser: { syntax: 'ecmascript' }, minify: { mangle: true, compress: true } },
    module: { type: 'commonjs' },
    isModule: false,
    minify: true,
  };
  for (const name of readdirSync(folder, { recursive: true }).filter((each) => each.endsWith('.js'))) {
    const file = join(folder, name);
    writeFileSync(file, transformFileSync(file, options).code);
  }
  const printed = run('bundled.cjs', bundled).trim();
  if (printed !== 'SIGTERM') throw new Error(`after a bundler a process ends with ${printed}, not SIGTERM`);
  console.log('rx-instances: runs processes as a bundler leaves it');
}

const bundled = `const { createProcessDriver, openManager } = require('rx-instances');
const { firstValueFrom } = require('rxjs');
openManager({ drivers: [createProcessDriver()] }).then(async (manager) => {
  await firstValueFrom(manager.create({ name: 'sleeper', image: 'scratch', entrypoint: ['sleep', '60'] }));
  const { exit } = await firstValueFrom(manager.stop('sleeper'));
  console.log(exit.signal);
  await manager.close();
});`;

try {
  const doors = install();
  for (const door of doors) {
    const required = run('require.cjs', `const door = require('${door}'); ${print}`);
    const imported = run('import.mjs', `import * as door from '${door}'; ${print}`);
    if (required !== imported || required.trim() === '') {
      throw new Error(`${door} gives\n${required}as CommonJS, and as an ES module\n${imported}`);
    }
    console.log(`${door}: ${required.trim().split(' ').length} values, the same in both forms`);
  }
  compile(doors);
  sayNoPlace();
  servePage('as it is packed');
  runBundled();
  servePage('as a bundler leaves it');
} finally {
  rmSync(project, { recursive: true, force: true });
}
