// Builds the small test image, build/images/small, from images/small and Debian's packages: a kernel, unpacked, and a first
// process that counts and answers. Nothing is installed, and no root is needed. It is built again when the recipe has
// changed, or when Debian has another kernel.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { isThere, packageOf, run } from './run.mjs';
import { unpackKernel } from './unpackKernel.mjs';

const target = 'build/images/small';
const source = 'images/small';
const agentFolder = 'src/drivers/qemu/agent';
const agentSources = ['agent.c', 'files.c'].map((name) => join(agentFolder, name));
const scripts = [
  ...['scripts/image.mjs', 'scripts/unpackKernel.mjs', join(agentFolder, 'files.h')],
  ...agentSources,
];
const compiler = 'musl-gcc';
const diskBytes = 64 * 1_024 * 1_024;

/** The modules that the first process loads, each after those that it needs; those of `disk` only when there is a disk. */
const modules = {
  '.': [
    ...[
      'virtio_ring',
      'virtio',
      'virtio_pci_legacy_dev',
      'virtio_pci_modern_dev',
      'virtio_pci',
      'virtio_blk',
      'virtio_console',
    ],
    ...['failover', 'net_failover', 'virtio_net', 'button', 'evdev', 'pvpanic', 'pvpanic-pci', 'qemu_fw_cfg'],
  ],
  disk: ['crc16', 'mbcache', 'crc32c_generic', 'jbd2', 'ext4'],
};

const listFiles = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();

const hashOf = (parts) => createHash('sha256').update(parts.join('\0')).digest('hex');

const recipe = () =>
  hashOf([
    ...[...scripts, ...listFiles(source)].flatMap((file) => [file, readFileSync(file, 'utf8')]),
    String(isThere(compiler)),
  ]);

/** What tells whether apt may know of another kernel than last time; to ask apt itself takes a second. */
function packageLists() {
  const folder = '/var/lib/apt/lists';
  if (!existsSync(folder)) return 'none';
  const names = readdirSync(folder).filter((name) => name.includes('_Packages'));
  return hashOf(names.map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`));
}

/** The kernel that Debian has now, with its version; undefined where there is no apt, or apt knows of none. */
function newestKernel() {
  try {
    const text = run('apt-cache', ['show', '--no-all-versions', 'linux-image-amd64']).toString();
    const [, name, version] = /^Depends: (linux-image-\S+) \(= (\S+)\)/m.exec(text) ?? [];
    return name === undefined ? undefined : { name, version };
  } catch {
    return undefined;
  }
}

function readBuilt() {
  try {
    return JSON.parse(readFileSync(join(target, 'built.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Downloads a package and unpacks it; returns what finds a file of it by the end of its path, compressed or not. */
function fetchPackage(name, folder) {
  const content = join(folder, name);
  mkdirSync(content);
  run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', name], { cwd: folder });
  const archive = readdirSync(folder).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));
  run('dpkg-deb', ['-x', join(folder, archive), content]);
  const files = listFiles(content);
  return (end) => files.find((file) => file.endsWith(end) || file.endsWith(`${end}.xz`));
}

/** Lays the modules out so that their names are in the order in which they are loaded. */
function layOutModules(find, folder) {
  for (const [group, names] of Object.entries(modules)) {
    mkdirSync(join(folder, group), { recursive: true });
    for (const [index, name] of names.entries()) {
      const file = find(`/${name}.ko`);
      // Another kernel may have it built in.
      if (file === undefined) console.log(`  no module ${name} in this kernel`);
      else {
        const module = file.endsWith('.xz') ? run('xz', ['-dc', file]) : readFileSync(file);
        writeFileSync(join(folder, group, `${String(index).padStart(2, '0')}-${name}.ko`), module);
      }
    }
  }
}

/** Compiles the agent where there is a compiler; tells whether there is. */
function compileAgent(root) {
  if (!isThere(compiler)) {
    console.log(
      `  no ${compiler} here (${packageOf[compiler]}): the image has no agent: nothing can be run in it, and its files are not reached`,
    );
    return false;
  }
  console.log('  compiling the agent');
  const options = ['-static', '-O2', '-s', '-Wall', '-Wextra', '-Werror'];
  run(compiler, [...options, '-o', join(root, 'bin/rx-instances-agent'), ...agentSources]);
  return true;
}

/** What the image says of itself: of its agent only if it has one. */
function describe(hasAgent) {
  const { agent, ...rest } = JSON.parse(readFileSync(join(source, 'image.json'), 'utf8'));
  return `${JSON.stringify(hasAgent ? { ...rest, agent } : rest, undefined, 2)}\n`;
}

/** Fills a folder with the image of a kernel. */
function fill(image, kernel, temporary) {
  console.log(`  downloading ${kernel.name} ${kernel.version} and busybox-static`);
  const findOfKernel = fetchPackage(kernel.name, temporary);
  const findOfBusybox = fetchPackage('busybox-static', temporary);

  console.log('  unpacking the kernel');
  const bzImage = findOfKernel(kernel.name.replace('linux-image', '/boot/vmlinuz'));
  unpackKernel(bzImage, join(image, 'vmlinux'));

  console.log('  writing the initial file system');
  const root = join(temporary, 'root');
  cpSync(join(source, 'root'), root, { recursive: true });
  mkdirSync(join(root, 'bin'));
  cpSync(findOfBusybox('/bin/busybox'), join(root, 'bin/busybox'));
  layOutModules(findOfKernel, join(root, 'modules'));
  const hasAgent = compileAgent(root);
  const names = ['.', ...readdirSync(root, { recursive: true }).sort()].join('\n');
  const archive = run('cpio', ['--create', '--format=newc', '--owner=0:0', '--quiet'], {
    cwd: root,
    input: names,
  });
  writeFileSync(join(image, 'initrd.cpio'), archive);

  writeFileSync(join(image, 'disk.raw'), '');
  truncateSync(join(image, 'disk.raw'), diskBytes);
  writeFileSync(join(image, 'image.json'), describe(hasAgent));
}

/** Puts a folder in the place of the image; who has files of the former one open goes on with them. */
function putInPlace(image, temporary) {
  for (let count = 0; ; count += 1) {
    try {
      renameSync(image, target);
      return;
    } catch (error) {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      renameSync(target, join(temporary, `former-${count}`));
    }
  }
}

/** Does nothing when all is there. */
export function buildImage() {
  const wanted = { recipe: recipe(), lists: packageLists() };
  const built = readBuilt();
  if (built?.recipe === wanted.recipe && built.lists === wanted.lists) return built;

  const kernel = newestKernel();
  const isNewest = kernel === undefined || `${kernel.name} ${kernel.version}` === built?.kernel;
  if (built?.recipe === wanted.recipe && isNewest) return note(target, { ...built, ...wanted });
  if (kernel === undefined) {
    throw new Error(
      'The small image is made of packages of Debian for x86-64, and apt knows of no linux-image-amd64 here.\n' +
        'On Debian: apt-get update. Elsewhere: build it on Debian (npm run image) and copy build/images/small.',
    );
  }

  console.log(`Building ${target}`);
  const begun = performance.now();
  mkdirSync('build/images', { recursive: true });
  const temporary = mkdtempSync('build/images/.small-');
  try {
    const image = join(temporary, 'image');
    mkdirSync(image);
    fill(image, kernel, temporary);
    const noted = note(image, { ...wanted, kernel: `${kernel.name} ${kernel.version}` });
    putInPlace(image, temporary);
    console.log(`Built ${target} in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
    return noted;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Notes of what an image was built. */
function note(image, built) {
  const file = join(image, 'built.json');
  writeFileSync(`${file}.next`, JSON.stringify(built));
  renameSync(`${file}.next`, file);
  return built;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { kernel } = buildImage();
    console.log(`The small image is there: ${target} (${kernel})`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
