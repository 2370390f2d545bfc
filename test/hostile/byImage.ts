import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { createQemuDriver } from '../../src/drivers/qemu/qemuDriver.js';
import type { Attack } from './attack.js';
import { type Ground, isRoot, refused, tried, value } from './ground.js';
import { treeOf } from './outside.js';

const small = resolve('build/images/small');

/** An image of a virtual machine that boots, with what an author adds to it. */
function vmImage(ground: Ground, name: string, description: object): string {
  const folder = join(ground.folder, name);
  mkdirSync(folder);
  for (const file of ['vmlinux', 'initrd.cpio']) put(join(small, file), join(folder, file));
  describe(folder, description);
  return folder;
}

/** An image with a disk, which is refused before anything is booted. */
function badImage(ground: Ground, description: object): string {
  const folder = join(ground.folder, 'image');
  mkdirSync(folder);
  for (const file of ['vmlinux', 'initrd.cpio']) writeFileSync(join(folder, file), 'never booted');
  describe(folder, description);
  return folder;
}

/** As a link where that can be: the kernel is large. */
function put(file: string, place: string): void {
  try {
    linkSync(file, place);
  } catch {
    copyFileSync(file, place);
  }
}

const describe = (folder: string, description: object): void => {
  const usual = {
    version: 1,
    kernel: 'vmlinux',
    initrd: 'initrd.cpio',
    kernelArguments: ['console=ttyS0', 'panic=-1', 'quiet', 'cryptomgr.notests'],
  };
  writeFileSync(join(folder, 'image.json'), JSON.stringify({ ...usual, ...description }));
};

const qemuImg = (...args: readonly string[]): void => {
  execFileSync('qemu-img', args, { stdio: 'pipe' });
};

/** Tries to create a machine, which has to be refused with the fault of the image. */
async function isRefused(ground: Ground, image: string, named: RegExp): Promise<void> {
  const manager = await ground.open({ drivers: [createQemuDriver()] });
  const error = await refused(value(manager.create({ name: 'vm', image })), 'LaunchFailed', 'InvalidRequest');
  assert.match(error.message, named, 'it does not tell what is wrong');
  assert.ok(!error.message.includes(ground.outside.secret.trim()), 'it tells what stands outside');
  assert.deepEqual(await value(manager.list()), []);
  ground.outside.isUntouched();
}

const disk = (file: string, format: 'raw' | 'qcow2' = 'qcow2'): object => ({ disk: { file, format } });

const machines: readonly Attack[] = [
  {
    opponent: 'application',
    name: 'hands on an image whose disk stands on a file outside',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.qcow2'));
      const { file } = ground.outside;
      qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', file, '-F', 'raw', join(image, 'disk.qcow2'), '1M');
      await isRefused(ground, image, /disk/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose disk stands on a file outside, by a file within',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.qcow2'));
      const { file } = ground.outside;
      qemuImg(
        'create',
        '-q',
        '-u',
        '-f',
        'qcow2',
        '-b',
        file,
        '-F',
        'raw',
        join(image, 'middle.qcow2'),
        '1M',
      );
      qemuImg(
        'create',
        '-q',
        '-u',
        '-f',
        'qcow2',
        '-b',
        'middle.qcow2',
        '-F',
        'qcow2',
        join(image, 'disk.qcow2'),
        '1M',
      );
      await isRefused(ground, image, /disk/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose disk stands on a link out of it',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.qcow2'));
      symlinkSync(ground.outside.file, join(image, 'base.raw'));
      qemuImg(
        'create',
        '-q',
        '-u',
        '-f',
        'qcow2',
        '-b',
        'base.raw',
        '-F',
        'raw',
        join(image, 'disk.qcow2'),
        '1M',
      );
      await isRefused(ground, image, /disk/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose disk stands on what is no path',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.qcow2'));
      const json = `json:{"driver":"raw","file":{"driver":"file","filename":${JSON.stringify(ground.outside.file)}}}`;
      qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', json, '-F', 'raw', join(image, 'disk.qcow2'), '1M');
      await isRefused(ground, image, /disk/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose disk keeps its data in a file outside',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.qcow2'));
      const data = join(ground.folder, 'data.raw');
      writeFileSync(data, '');
      truncateSync(data, 1_048_576);
      const before = treeOf(data);
      qemuImg(
        'create',
        '-q',
        '-f',
        'qcow2',
        '-o',
        `data_file=${data},data_file_raw=on`,
        join(image, 'disk.qcow2'),
        '1M',
      );
      await isRefused(ground, image, /disk/);
      assert.deepEqual(treeOf(data), before);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose disk is said to be of a format that it is not',
    play: async (ground) => {
      const image = badImage(ground, disk('disk.raw'));
      writeFileSync(join(image, 'disk.raw'), '');
      truncateSync(join(image, 'disk.raw'), 1_048_576);
      await isRefused(ground, image, /disk/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image whose raw disk looks like one that stands on a file outside',
    isLong: true,
    play: async (ground) => {
      const image = vmImage(ground, 'image', disk('disk.raw', 'raw'));
      const { file, folder } = ground.outside;
      const path = join(image, 'disk.raw');
      qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', file, '-F', 'raw', path, '1M');
      const manager = await ground.open({ drivers: [createQemuDriver()] });
      const { value: made } = await tried(value(manager.create({ name: 'vm', image })));
      if (made === undefined) return;
      const folderOfDisk = join(ground.homeOf(made), 'vm');
      const [name = ''] = readdirSync(folderOfDisk).filter((each) => each.endsWith('.qcow2'));
      const layer = join(folderOfDisk, name);
      const chain = execFileSync('qemu-img', ['info', '-U', '--backing-chain', layer], { encoding: 'utf8' });
      assert.ok(!chain.includes(folder), 'the disk of the machine stands on a file outside');
    },
  },
  ...['vmlinux', 'initrd.cpio', 'disk.raw', 'image.json'].map((name): Attack => ({
    opponent: 'application',
    name: `hands on an image whose ${name} is a pipe, a link out of it, a folder or a device`,
    play: async (ground) => {
      const makers: readonly ((path: string) => void)[] = [
        (path) => {
          execFileSync('mkfifo', [path]);
        },
        (path) => {
          symlinkSync(ground.outside.file, path);
        },
        (path) => {
          symlinkSync(ground.outside.nothing, path);
        },
        (path) => {
          mkdirSync(path);
        },
        (path) => {
          symlinkSync('/dev/zero', path);
        },
      ];
      for (const [index, make] of makers.entries()) {
        const folder = join(ground.folder, `image-${String(index)}`);
        mkdirSync(folder);
        const rest = ['vmlinux', 'initrd.cpio', 'disk.raw'].filter((each) => each !== name);
        for (const each of rest) writeFileSync(join(folder, each), '');
        if (name !== 'image.json') describe(folder, disk('disk.raw', 'raw'));
        make(join(folder, name));
        await isRefused(ground, folder, /image|kernel|initrd|disk/);
      }
    },
  })),
  {
    opponent: 'application',
    name: 'hands on an image whose files have paths out of it',
    play: async (ground) => {
      const folder = join(ground.folder, 'image');
      mkdirSync(folder);
      const { file } = ground.outside;
      for (const path of [
        '../outside/canary.txt',
        file,
        'a/../../outside/canary.txt',
        '',
        '.',
        '/',
        'a\0b',
        'x'.repeat(5_000),
      ]) {
        for (const key of ['kernel', 'initrd']) {
          writeFileSync(join(folder, 'vmlinux'), '');
          describe(folder, { [key]: path });
          await isRefused(ground, folder, new RegExp(`${key}|image`));
        }
        describe(folder, disk(path, 'raw'));
        await isRefused(ground, folder, /disk|initrd|kernel/);
      }
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image.json without an end, or too deep',
    play: async (ground) => {
      const folder = join(ground.folder, 'image');
      mkdirSync(folder);
      const path = join(folder, 'image.json');
      for (const text of ['['.repeat(1_000_000), '{"a":'.repeat(100_000), '', 'null', '"'.repeat(9)]) {
        writeFileSync(path, text);
        await isRefused(ground, folder, /image/);
      }
      truncateSync(path, 2 ** 40);
      await isRefused(ground, folder, /image/);
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image with commas and equals signs in its path',
    isLong: true,
    play: async (ground) => {
      // Whatever stands in a path is part of it, or refused: an option it never is.
      const names = ['a,readonly=off', 'a,,b', 'json:{}', `a="b' c`];
      for (const name of names) {
        const image = vmImage(ground, name, disk('disk,x.qcow2'));
        qemuImg('create', '-q', '-f', 'qcow2', join(image, 'disk,x.qcow2'), '1M');
        const manager = await ground.open({ drivers: [createQemuDriver()] });
        const { value: made, error } = await tried(value(manager.create({ name: 'vm', image })));
        if (error !== undefined)
          assert.match(error.message, /image|path|disk/, 'it is refused for another reason');
        else assert.ok(made !== undefined && made.state !== 'Stopped');
        await tried(value(manager.delete('vm')));
      }
    },
  },
];

const processes: readonly Attack[] = [
  {
    opponent: 'application',
    name: 'hands on an image with pipes, links, set-uid bits and closed folders',
    play: async (ground) => {
      const { outside } = ground;
      const image = join(ground.folder, 'image');
      mkdirSync(image);
      execFileSync('mkfifo', [join(image, 'pipe')]);
      symlinkSync(outside.folder, join(image, 'link'));
      symlinkSync('/dev/zero', join(image, 'zero'));
      writeFileSync(join(image, 'tool'), '#!/bin/sh\n');
      chmodSync(join(image, 'tool'), 0o6755);
      mkdirSync(join(image, 'shared'));
      chmodSync(join(image, 'shared'), 0o7777);
      if (isRoot) execFileSync('mknod', [join(image, 'null'), 'c', '1', '3']);
      const manager = await ground.open();
      const request = { name: 'web', image, entrypoint: ['sleep', '30'] };
      const { value: made } = await tried(value(manager.create(request)));
      if (made === undefined) return;
      const work = join(ground.homeOf(made), 'work');
      for (const [path, { mode, owner }] of Object.entries(treeOf(work))) {
        assert.equal(owner, process.getuid?.(), `${path} is another user's`);
        assert.match(mode, /^(4|10|12)\d{4}$/, `${path} is no file, folder or link`);
        assert.equal(parseInt(mode, 8) & 0o6000, 0, `${path} keeps its bits`);
      }
      outside.isNotIn(work);
      outside.isUntouched();
    },
  },
  {
    opponent: 'application',
    name: 'hands on an image that holds the data directory, or lies in it, or is no folder',
    play: async (ground) => {
      const manager = await ground.open();
      const { id } = await value(
        manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '30'] }),
      );
      const link = join(ground.folder, 'link');
      symlinkSync(ground.dataDir, link);
      const images = [
        ground.folder,
        ground.dataDir,
        link,
        join(ground.dataDir, 'instances'),
        '/',
        '..',
        '/etc/passwd',
        '/dev/zero',
        '/proc/self/cwd/../../nowhere',
        ground.outside.nothing,
      ];
      for (const image of images) {
        const request = { name: 'copy', image, entrypoint: ['sleep', '30'] };
        await refused(value(manager.create(request)), 'LaunchFailed', 'InvalidRequest');
      }
      assert.deepEqual(
        (await value(manager.list())).map(({ name }) => name),
        ['web'],
      );
      assert.deepEqual(
        Object.keys(treeOf(join(ground.dataDir, 'instances'))).filter((path) => !path.includes(id)).length,
        1,
      );
    },
  },
];

const kept: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'holds a machine on standby that was built with options of others, or whose memory was changed',
    isLong: true,
    play: async (ground) => {
      const image = vmImage(ground, 'image', {});
      const drivers = [createQemuDriver()];
      const manager = await ground.open({ drivers });
      const readiness = { kind: 'log', pattern: '^guest-ready' } as const;
      const vm = await value(manager.create({ name: 'vm', image, readiness }));
      await value(manager.waitForState('vm', 'Running'));
      await value(manager.standby('vm'));
      const { id } = await value(manager.createSnapshot('vm', { kind: 'Standby' }));
      await ground.close();

      const path = join(ground.homeOf(vm), 'vm', 'memory.json');
      const text = readFileSync(path, 'utf8');
      for (const machine of ['pc-i440fx-7.2,dump-guest-core=on', 'pc-i440fx-7.2,accel=tcg', '-x', '']) {
        writeFileSync(path, text.replace(/"machine":"[^"]*"/, `"machine":${JSON.stringify(machine)}`));
        const next = await ground.open({ drivers });
        await refused(value(next.restore('vm')), 'SnapshotIncompatible', 'DriverFailed', 'LaunchFailed');
        assert.equal((await value(next.get('vm'))).state, 'Standby');
        await ground.close();
      }

      // The snapshot has the same file.
      writeFileSync(path, text);
      const folder = join(ground.dataDir, 'snapshots', id);
      const layer = Object.keys(treeOf(folder)).find((each) => /\/(ram|state)$/.test(each));
      assert.ok(layer !== undefined, 'there is no memory in the snapshot');
      const { mtime, atime, mode } = statSync(layer);
      const next = await ground.open({ drivers });
      await value(next.forkSnapshot(id, { name: 'before', targetState: 'Stopped' }));
      chmodSync(layer, 0o600);
      const bytes = readFileSync(layer);
      bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      writeFileSync(layer, bytes);
      chmodSync(layer, mode & 0o777);
      utimesSync(layer, atime, mtime);
      await refused(value(next.forkSnapshot(id, { name: 'copy' })), 'SnapshotDamaged');
    },
  },
];

/** Attacks by authors of images, and by what was kept of machines. */
export const byImage: readonly Attack[] = [...processes, ...machines, ...kept];
