// Looks at what a packed package holds: only files that are meant to be in it, no map of sources, a README that leads somewhere,
// and a manifest that tells where it comes from and runs nothing when it is installed. Tells its size.
// Usage: node scripts/packed.mjs build/package/rx-instances-0.1.0.tgz
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** What may be in it. */
const meant = [
  /^(package\.json|LICENSE|(README|CHANGELOG|SECURITY)\.md)$/,
  /^dist\/(cjs|esm)\/(.+\.c?js|.+\.d\.ts|package\.json)$/,
  /^docs\/[^/]+\.md$/,
  /^examples\/[^/]+\.ts$/,
  /^grafana\/(README\.md|dashboard\.json|alerts\.yaml)$/,
  /^src\/.+\/README\.md$/,
  // To be compiled for an image.
  /^src\/drivers\/qemu\/agent\/(agent\.c|files\.[ch])$/,
];

/** Pages for those who work on it, and pictures: npm's site leads to them by `repository`. */
const inRepositoryOnly = ['bench/README.md', 'CONTRIBUTING.md', 'docs/page.png'];

/** What npm runs for whoever installs a package. */
const runAtInstall = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare'];

const listFiles = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

/** Where the relative links of a page lead. */
const linksOf = (text) => [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to]) => to);

function manifestFaults({ repository, bugs, homepage, publishConfig, scripts = {} }) {
  const told = {
    repository: repository?.url,
    bugs,
    homepage,
    'publishConfig.provenance': publishConfig?.provenance,
  };
  return [
    ...Object.entries(told)
      .filter(([, value]) => !value)
      .map(([field]) => `package.json: has no ${field}`),
    ...runAtInstall
      .filter((name) => name in scripts)
      .map((name) => `package.json: runs ${name} where it is installed`),
  ];
}

/** Tells what is wrong with one file. */
function faultsOf(folder, file) {
  if (!meant.some((pattern) => pattern.test(file))) return [`${file}: is not meant to be in the package`];
  const text = readFileSync(join(folder, file), 'utf8');
  const map = /^\/\/# sourceMappingURL=(.+)$/m.exec(text)?.[1];
  const isThere = (path) => existsSync(join(folder, path)) || inRepositoryOnly.includes(path);
  const links = file === 'README.md' ? linksOf(text) : [];
  return [
    ...(map === undefined ? [] : [`${file}: names a map, ${map}`]),
    ...links
      .filter((path) => !isThere(path))
      .map((path) => `${file}: leads to ${path}, which is not in the package`),
    ...(file === 'package.json' ? manifestFaults(JSON.parse(text)) : []),
  ];
}

const kilobytes = (bytes) => `${Math.round(bytes / 1_000).toLocaleString('en')} kB`;

const [, , tarball] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'packed-'));
try {
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder]);
  const files = listFiles(folder);
  const unpacked = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  console.log(
    `${files.length} files, ${kilobytes(statSync(tarball).size)} packed, ${kilobytes(unpacked)} unpacked`,
  );
  const faults = files.flatMap((file) => faultsOf(folder, file));
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
