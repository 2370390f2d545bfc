// Runs every `check:*` script of package.json, as many at a time as there are processors, and tells what each one found.
// Usage: node scripts/check.mjs [--without bench house]
import { exec } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { installPeers } from './peers.mjs';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
const [, , option, ...names] = process.argv;
const without = option === '--without' ? names.map((name) => `check:${name}`) : [];
const waiting = Object.keys(scripts).filter(
  (script) => script.startsWith('check:') && !without.includes(script),
);
const env = { ...process.env, PATH: [resolve('node_modules/.bin'), process.env.PATH].join(delimiter) };

// Several checks look at bench/, and none should install what it needs while another does.
installPeers();

const started = performance.now();
const failed = [];
let passed = 0;

function run(script) {
  const name = script.replace('check:', '').padEnd(10);
  const begun = performance.now();
  return new Promise((done) => {
    const child = exec(scripts[script], { env, maxBuffer: Infinity }, (error, stdout, stderr) => {
      const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
      if (error === null) passed += 1;
      else failed.push(script);
      console.log(`${error === null ? 'ok    ' : 'FAILED'} ${name} ${seconds.padStart(6)} s`);
      if (error !== null) console.log(`\n$ ${scripts[script]}\n${stdout}${stderr}`.replace(/^/gm, '  '));
      done();
    });
    child.stdin?.end();
  });
}

async function lane() {
  for (let script = waiting.shift(); script !== undefined; script = waiting.shift()) await run(script);
}

console.log(`Checking ${waiting.map((script) => script.replace('check:', '')).join(', ')}`);
await Promise.all(Array.from({ length: availableParallelism() }, lane));

const seconds = ((performance.now() - started) / 1_000).toFixed(1);
console.log(`Checks: ${failed.length} failed, ${passed} passed, in ${seconds} s`);
if (failed.length > 0) {
  console.log(`Run one again with: ${failed.map((script) => `npm run ${script}`).join(', ')}`);
  process.exitCode = 1;
}
