// Looks at the packages that come with ours, as the lock files name them and as they lie in node_modules: each has a licence
// that lets everybody use it and a hash that npm holds it to, and none that a user gets needs its install script.
// Usage: node scripts/supply.mjs [folder]
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Licences of what users install. */
const free = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'Unlicense',
];

/**
 * Beside these, licences of what stays in this house: of tables of data, of a file that came from Python, and of axe-core, which the page
 * is tested with.
 */
const freeInHouse = [...free, 'CC-BY-4.0', 'CC0-1.0', 'MPL-2.0', 'Python-2.0'];

/** Packages whose install script may be left out, and why. */
const needNoScript = {
  lmdb: 'its binaries come as optional packages, one for each platform; the script compiles where there is none',
  'msgpackr-extract': 'the same, and msgpackr works without it',
};

const folder = process.argv[2] ?? '.';
const faults = [];

const read = (path) => JSON.parse(readFileSync(join(folder, path), 'utf8'));
const nameOf = (path) => path.replace(/^.*node_modules\//, '');

/** Finds a package where Node does: the nearest node_modules above. Undefined where npm left it out, as it may an optional one. */
function find(packages, name, from) {
  for (let place = from; ; place = dirname(place)) {
    const path = join(place, 'node_modules', name);
    if (path in packages) return path;
    if (place === '.' || place === '') return undefined;
  }
}

/** The packages that come to a user, as paths: what ours depends on, what it wants beside it, and all that these need. */
function comeToUsers(packages) {
  const found = new Set();
  const follow = (path) => {
    const { dependencies, optionalDependencies, peerDependencies } = packages[path];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const next = find(packages, name, path);
      if (next === undefined || found.has(next)) continue;
      found.add(next);
      follow(next);
    }
  };
  follow('');
  return found;
}

/** What its own manifest says; of one for another platform, which is not here, what the lock file has of it. */
function licenceOf(path, locked) {
  if (!existsSync(join(folder, path, 'package.json'))) return locked.license;
  const { license, licenses = [] } = read(join(path, 'package.json'));
  // Old packages name it otherwise.
  const told = license ?? licenses.map(({ type }) => type).join(' AND ');
  return typeof told === 'object' ? told.type : told || undefined;
}

/** Understands `A`, `(A OR B)` and `A AND B`; an expression of both is for people to read. */
function isAmong(list, licence = '') {
  const parts = (word) => licence.replace(/[()]/g, '').split(` ${word} `);
  return licence.includes(' OR ')
    ? !licence.includes(' AND ') && parts('OR').some((part) => list.includes(part))
    : parts('AND').every((part) => list.includes(part));
}

/** Loads a package as it was installed, without its script having run. */
function checkLoads(path) {
  if (existsSync(join(folder, path, 'build'))) {
    faults.push(
      `${path}: was compiled here, which hides whether it works without; npm ci brings it as it comes`,
    );
    return;
  }
  try {
    const load = `require(${JSON.stringify(resolve(folder, path))})`;
    execFileSync(process.execPath, ['-e', load], { stdio: 'pipe' });
  } catch ({ stderr }) {
    const why = String(stderr)
      .split('\n')
      .find((line) => line.includes('Error:'));
    faults.push(`${path}: does not load without its install script: ${why}`);
  }
}

function checkScript(path) {
  const name = nameOf(path);
  if (name in needNoScript) checkLoads(path);
  else faults.push(`${path}: has an install script, and nobody said why it may be left out`);
}

/** Holds the packages of a lock file, and tells how many come to users. */
function check(root) {
  const { packages } = read(join(root, 'package-lock.json'));
  const ours = root === '.' ? comeToUsers(packages) : new Set();
  for (const [path, locked] of Object.entries(packages)) {
    if (path === '') continue;
    const isOurs = ours.has(path);
    const licence = licenceOf(join(root, path), locked);
    if (!isAmong(isOurs ? free : freeInHouse, licence)) {
      faults.push(`${join(root, path)}: its licence is ${licence}`);
    }
    if (locked.integrity === undefined) faults.push(`${join(root, path)}: the lock file has no hash of it`);
    if (isOurs && locked.hasInstallScript) checkScript(path);
  }
  const names = [...ours].map(nameOf).filter((name) => name in needNoScript);
  const loaded = names.length === 0 ? '' : `; without their install scripts load ${names.join(', ')}`;
  console.log(`${root}: ${Object.keys(packages).length - 1} packages, ${ours.size} come to users${loaded}`);
}

if (!/^ignore-scripts=true$/m.test(readFileSync(join(folder, '.npmrc'), 'utf8'))) {
  faults.push('.npmrc: lets install scripts run');
}
for (const root of ['.', 'bench']) check(root);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
