import { readFileSync } from 'node:fs';
import ts from 'typescript';

const { exports: doors } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly exports: Readonly<Record<string, unknown>>;
};
const { config } = ts.readConfigFile('bench/tsconfig.dist.json', (path) => readFileSync(path, 'utf8')) as {
  readonly config: {
    readonly compilerOptions: { readonly paths: Readonly<Record<string, readonly string[]>> };
  };
};

test.each(Object.keys(doors).filter((door) => door !== './package.json'))(
  'a benchmark imports from the built package by %s',
  (door) => {
    const name = `rx-instances${door.slice(1)}`;
    const { paths } = config.compilerOptions;
    const [path] = paths[name] ?? paths[name.replace(/\/.*/, '/*')] ?? [];
    const file = door === '.' ? 'index' : door.slice(2);
    expect(path?.replace('*', file)).toBe(`../dist/cjs/${file}.js`);
  },
);
