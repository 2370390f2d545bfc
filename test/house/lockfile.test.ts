import { readFileSync } from 'node:fs';

interface Locked {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};

describe('the lock file', () => {
  it('holds every optional dependency that it names, as npm ci demands on every platform', () => {
    const named = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies),
    );
    const present = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !present.has(name))).toStrictEqual([]);
  });

  it('names no registry, so that everyone installs from their own', () => {
    const hosts = Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined);
    expect(hosts).toStrictEqual([]);
  });
});
