// Builds the package twice, as CommonJS and as ES modules, into dist/cjs and dist/esm.
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const builds = [
  { folder: 'dist/cjs', module: 'CommonJS', type: 'commonjs', check: [] },
  // What is wrong in the types is the same for both.
  { folder: 'dist/esm', module: 'ES2022', type: 'module', check: ['--noCheck'] },
];

async function build({ folder, module, type, check }) {
  const options = ['-p', 'tsconfig.build.json', '--module', module, '--outDir', folder, ...check];
  await promisify(execFile)('node_modules/.bin/tsc', options).catch(({ stdout, stderr }) => {
    console.error(stdout + stderr);
    process.exitCode = 1;
  });
  // The nearest package.json decides how Node reads a .js file.
  writeFileSync(`${folder}/package.json`, `${JSON.stringify({ type })}\n`);
}

/**
 * ES modules have no `require` to load a package when it is needed, and none can be made where a bundler has written CommonJS, which
 * leaves `import.meta` empty: what does so stays CommonJS, which every bundler follows.
 */
function keepCommonJs(path) {
  const name = basename(path);
  copyFileSync(`dist/cjs/${path}.js`, `dist/esm/${path}.cjs`);
  writeFileSync(`dist/esm/${path}.js`, `export { ${name} } from './${name}.cjs';\n`);
}

/** A program that runs in a process of its own becomes a text: a bundler would give it names that only the bundle knows. */
async function writeText(name, keeps = []) {
  const path = `drivers/host/${name}.js`;
  const text = JSON.stringify((await import(`../dist/esm/${path}`))[name]);
  const forms = {
    'dist/cjs': `"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\nexports.${name} = ${text};\n`,
    'dist/esm': `export const ${name} = ${text};\n`,
  };
  const source = readFileSync(`dist/esm/${path}`, 'utf8');
  const parts = [...source.matchAll(/ from '\.\/(\w+)\.js'/g)].map(([, part]) => part);
  for (const [folder, code] of Object.entries(forms)) {
    writeFileSync(`${folder}/${path}`, code);
    for (const part of parts.filter((name) => !keeps.includes(name)))
      rmSync(`${folder}/drivers/host/${part}.js`);
  }
}

/** The files of the page become texts too: what reads them from beside itself would not find them once it is bundled. */
function writePage() {
  const require = createRequire(import.meta.url);
  require('./typescript.cjs');
  const text = JSON.stringify(require('../src/page/pageFiles.ts').pageFiles);
  const head = '"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\n';
  writeFileSync('dist/cjs/page/pageFiles.js', `${head}exports.pageFiles = ${text};\n`);
  writeFileSync('dist/esm/page/pageFiles.js', `export const pageFiles = ${text};\n`);
}

rmSync('dist', { recursive: true, force: true });
await Promise.all(builds.map(build));
if (process.exitCode === undefined) {
  keepCommonJs('drivers/loadRe2');
  writePage();
  for (const name of ['spawnerText', 'outputText']) await writeText(name);
  // Small trees are copied by it too, in Node's pool of threads.
  await writeText('copyText', ['copyProgram']);
}
