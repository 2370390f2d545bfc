import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import { openManager } from '../../src/manager/instanceManager.js';
import type { Attack } from './attack.js';
import { asNobody, type Ground, nobody, refused, tail, tried, value } from './ground.js';
import { treeOf } from './outside.js';

/** Runs JavaScript as another user; what it writes is JSON. `argv[1]` is the first argument. */
function asNeighbour(script: string, ...args: readonly string[]): unknown {
  const [setpriv = '', ...rest] = asNobody;
  const output = execFileSync(setpriv, [...rest, process.execPath, '-e', script, ...args], {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
  });
  return JSON.parse(output);
}

/** Tries to read, write, list, connect to and plant something beside each path; tells what it could do. */
const pryInto = `
  const fs = require('node:fs');
  const path = require('node:path');
  const net = require('node:net');
  const could = [];
  const attempt = (what, work) => { try { work(); could.push(what); } catch {} };
  const known = process.argv.slice(1);
  const seen = [];
  const look = (each) => {
    seen.push(each);
    attempt('list ' + each, () => { for (const name of fs.readdirSync(each)) look(path.join(each, name)); });
    attempt('read ' + each, () => { if (!fs.statSync(each).isDirectory()) fs.closeSync(fs.openSync(each, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)); else throw 0; });
    attempt('write ' + each, () => fs.closeSync(fs.openSync(each, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)));
    attempt('plant into ' + each, () => fs.writeFileSync(path.join(each, 'planted'), ''));
    attempt('move ' + each, () => fs.renameSync(each, each + '-moved'));
    attempt('link to ' + each, () => fs.linkSync(each, '/tmp/hostile-link-' + process.pid));
    attempt('remove ' + each, () => fs.unlinkSync(each));
  };
  known.forEach(look);
  Promise.all(seen.map((each) => new Promise((done) => {
    const socket = net.connect(each);
    socket.once('connect', () => { could.push('connect to ' + each); socket.destroy(); done(); });
    socket.once('error', done);
  }))).then(() => console.log(JSON.stringify(could)));
`;

/** Every path of a folder that is there. */
const pathsOf = (folder: string): readonly string[] => Object.keys(treeOf(folder));

async function withSecret(ground: Ground): Promise<void> {
  const manager = await ground.open();
  await value(
    manager.create({
      name: 'web',
      image: 'scratch',
      env: { TOKEN: 'the token of the instance' },
      entrypoint: ['sleep', '30'],
    }),
  );
  await value(manager.create({ name: 'old', image: 'scratch', entrypoint: ['true'] }));
  await value(manager.stop('old'));
  await value(manager.createSnapshot('old', { kind: 'Stopped' }));
}

/** Attacks by another user of the machine. */
export const byNeighbour: readonly Attack[] = [
  {
    opponent: 'neighbour',
    name: 'pries into the data directory, whatever the umask',
    only: 'root',
    play: async (ground) => {
      const umask = process.umask(0);
      try {
        await withSecret(ground);
        const paths = pathsOf(ground.dataDir);
        assert.ok(paths.length > 8, 'there is too little to pry into');
        assert.deepEqual(asNeighbour(pryInto, ...paths), [], 'another user could do this');
      } finally {
        process.umask(umask);
      }
    },
  },
  {
    opponent: 'neighbour',
    name: 'looks for files that are not for the owner only',
    play: async (ground) => {
      const umask = process.umask(0);
      try {
        await withSecret(ground);
        assert.equal(statSync(ground.dataDir).mode & 0o077, 0);
        const { uid } = statSync(ground.dataDir);
        assert.equal(uid, process.getuid?.());
        const known = ['store', 'lock', 'instances', 'snapshots'].map((name) => join(ground.dataDir, name));
        const homes = readdirSync(join(ground.dataDir, 'instances')).map((id) => ground.homeOf({ id }));
        for (const folder of [...known, ...homes]) {
          assert.equal(statSync(folder).mode & 0o077, 0, `${folder} is not for its owner only`);
        }
      } finally {
        process.umask(umask);
      }
    },
  },
  {
    opponent: 'neighbour',
    name: 'pries into the folder of a manager that keeps nothing',
    only: 'root',
    play: async (ground) => {
      const umask = process.umask(0);
      const before = new Set(readdirSync(tmpdir()));
      const manager = await openManager({ drivers: [createProcessDriver()] });
      try {
        await value(manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '30'] }));
        const made = readdirSync(tmpdir()).filter((name) => !before.has(name));
        const folders = made.map((name) => join(tmpdir(), name)).filter((path) => path !== ground.folder);
        assert.equal(folders.length, 1, `it made ${folders.join(', ')}`);
        assert.match(folders[0] ?? '', /[a-z0-9]{20}/i, 'its name can be guessed');
        assert.deepEqual(asNeighbour(pryInto, ...folders.flatMap(pathsOf)), [], 'another user could do this');
      } finally {
        process.umask(umask);
        await manager.close();
      }
    },
  },
  {
    opponent: 'neighbour',
    name: 'reads the command lines and environments of all processes',
    play: async (ground) => {
      await withSecret(ground);
      const secret = 'the token of the instance';
      const lines = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
          } catch {
            return '';
          }
        });
      assert.ok(!lines.some((line) => line.includes(secret)), 'a command line tells a secret');
    },
  },
  {
    opponent: 'neighbour',
    name: 'has made the data directory before us',
    only: 'root',
    play: async (ground) => {
      const { outside } = ground;
      const parent = join(ground.folder, 'everybody');
      mkdirSync(parent);
      chmodSync(parent, 0o1777);
      const plant = (name: string, fill: (folder: string) => void): string => {
        const folder = join(parent, name);
        mkdirSync(folder);
        fill(folder);
        chownSync(folder, nobody, nobody);
        return folder;
      };
      const theirs = [
        plant('empty', () => undefined),
        plant('homes', (folder) => {
          mkdirSync(join(folder, 'instances'));
        }),
        plant('links', (folder) => {
          symlinkSync(outside.folder, join(folder, 'store'));
        }),
      ];
      for (const dataDir of theirs) {
        const error = await refused(ground.open({ dataDir }), 'StoreFailed', 'InvalidRequest');
        assert.ok(error.message.includes(dataDir), `it does not name the directory: ${error.message}`);
        assert.equal(statSync(dataDir).uid, nobody, 'it was taken');
      }
      outside.isUntouched();
    },
  },
  {
    opponent: 'neighbour',
    name: 'has laid a link to a folder of ours where the data directory is to be',
    only: 'root',
    play: async (ground) => {
      const parent = join(ground.folder, 'everybody');
      mkdirSync(parent);
      chmodSync(parent, 0o777);
      const script = `require('node:fs').symlinkSync(process.argv[1], process.argv[2]); console.log('null');`;
      const dataDir = join(parent, 'data');
      asNeighbour(script, ground.outside.folder, dataDir);
      await refused(ground.open({ dataDir }), 'StoreFailed', 'InvalidRequest');
      ground.outside.isUntouched();
    },
  },
  {
    opponent: 'neighbour',
    name: 'owns one of the folders in the data directory',
    only: 'root',
    play: async (ground) => {
      for (const name of ['store', 'lock', 'instances', 'snapshots', 'store/data.mdb']) {
        const dataDir = join(ground.folder, `owned-${name.replace('/', '-')}`);
        await ground.open({ dataDir });
        await ground.close();
        chownSync(join(dataDir, name), nobody, nobody);
        const error = await refused(ground.open({ dataDir }), 'StoreFailed', 'InvalidRequest');
        assert.ok(error.message.includes(name), `it does not name ${name}: ${error.message}`);
      }
    },
  },
  {
    opponent: 'neighbour',
    name: 'tries to end our processes, and to write to what they read',
    only: 'root',
    play: async (ground) => {
      await withSecret(ground);
      const manager = await ground.open();
      const { handle } = await value(manager.get('web'));
      const script = `
        const fs = require('node:fs');
        const pid = Number(process.argv[1]);
        const could = [];
        const attempt = (what, work) => { try { work(); could.push(what); } catch {} };
        attempt('signal', () => process.kill(pid, 0));
        attempt('see its files', () => fs.readdirSync('/proc/' + pid + '/fd'));
        attempt('see its environment', () => fs.readFileSync('/proc/' + pid + '/environ'));
        attempt('enter its folder', () => process.chdir('/proc/' + pid + '/cwd'));
        console.log(JSON.stringify(could));`;
      assert.deepEqual(asNeighbour(script, String(handle?.pid)), [], 'another user could do this');
    },
  },
  {
    opponent: 'neighbour',
    name: 'connects to the lock a thousand times and says nothing',
    play: async (ground) => {
      // As our own user: no other one comes as far as that.
      const manager = await ground.open();
      const folder = join(ground.dataDir, 'lock');
      const [name = ''] = readdirSync(folder).filter((each) => /^\d+$/.test(each));
      const script = `
        const net = require('node:net');
        const open = [];
        for (let count = 0; count < 1_000; count += 1) {
          const socket = net.connect(process.argv[1], () => open.push(socket));
          socket.on('error', () => {});
          socket.pause();
        }
        setTimeout(() => { console.log('done'); process.exit(); }, 500);`;
      const child = spawn(process.execPath, ['-e', script, join(folder, name)], { stdio: 'ignore' });
      await once(child, 'exit');
      await value(manager.create({ name: 'web', image: 'scratch', entrypoint: ['true'] }));
      const other = openManager({ dataDir: ground.dataDir, drivers: [createProcessDriver()] });
      const error = await refused(other, 'DataDirLocked');
      assert.ok(error.message.includes(String(process.pid)), error.message);
    },
  },
  {
    opponent: 'neighbour',
    name: 'reads what a log tells of the environment',
    play: async (ground) => {
      await withSecret(ground);
      const manager = await ground.open();
      await tried(tail(manager, 'web'));
      assert.ok(
        !ground.told.join('\n').includes('the token of the instance'),
        'the logger was told a secret',
      );
      assert.ok(existsSync(ground.dataDir));
    },
  },
];
