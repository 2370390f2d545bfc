import { readFileSync } from 'node:fs';

interface Locked {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const packagesOf = (file: string): Readonly<Record<string, Locked>> =>
  (JSON.parse(readFileSync(file, 'utf8')) as { readonly packages: Readonly<Record<string, Locked>> })
    .packages;

const namedIn = (packages: Readonly<Record<string, Locked>>): readonly string[] =>
  Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));

describe.each(['package-lock.json', 'bench/package-lock.json'])('the lock file %s', (file) => {
  const packages = packagesOf(file);

  it('holds every optional dependency that it names, as npm ci demands on every platform', () => {
    const present = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, '')));
    expect(present.size).toBeGreaterThan(1);
    expect(namedIn(packages).filter((name) => !present.has(name))).toStrictEqual([]);
  });

  it('names no registry, so that everyone installs from their own', () => {
    const hosts = Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined);
    expect(hosts).toStrictEqual([]);
  });
});

it('finds optional dependencies where there are some', () => {
  expect(namedIn(packagesOf('package-lock.json')).length).toBeGreaterThan(0);
});
