// Lets Node run the TypeScript of the house as it stands: `node --require ./scripts/typescript.cjs examples/01-launch-and-wait.ts`.
// Types are not checked. Nothing but the compiler is loaded for it, and nothing that Node warns of.
const { transformFileSync } = require('@swc/core');
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { resolve } = require('node:path');

const { compilerOptions } = JSON.parse(readFileSync(resolve(__dirname, '../tsconfig.json'), 'utf8'));
const doors = new Map(
  Object.entries(compilerOptions.paths).map(([door, [file]]) => [door, resolve(__dirname, '..', file)]),
);
const options = {
  jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

process.setSourceMapsEnabled(true);

Module._extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file);

const resolveFilename = Module._resolveFilename;
/** Sources import one another by the names that they have once they are compiled. */
Module._resolveFilename = (request, parent, ...others) => {
  const isOfSource = request.startsWith('.') && parent?.filename?.endsWith('.ts');
  const name = doors.get(request) ?? (isOfSource ? request.replace(/\.js$/, '.ts') : request);
  return resolveFilename.call(Module, name, parent, ...others);
};
