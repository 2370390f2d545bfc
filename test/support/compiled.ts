import { transformFileSync } from '@swc/core';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The sources and some programs of the tests, compiled, so that a process that runs one is there at once. */
export interface Compiled {
  /** Where the compiled form of a program lies. */
  pathOf(program: string): string;
  remove(): void;
}

/** Compiles the sources and the folders in which programs lie. */
export function compile(...folders: readonly string[]): Compiled {
  const target = join('build', `compiled-${String(process.pid)}`);
  const pathOf = (file: string): string => join(target, file.replace(/\.ts$/, '.js'));
  for (const folder of ['src', ...folders]) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      const file = join(folder, name);
      const { code } = transformFileSync(file, {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
      });
      mkdirSync(dirname(pathOf(file)), { recursive: true });
      writeFileSync(pathOf(file), code);
    }
  }
  return {
    pathOf,
    remove: () => {
      rmSync(target, { recursive: true, force: true });
    },
  };
}
