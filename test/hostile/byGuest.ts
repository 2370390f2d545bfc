import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createQemuDriver, hostPortOf } from '../../src/qemu.js';
import type { Attack } from './attack.js';
import { eventually } from './eventually.js';
import { type Ground, isRoot, says, tail, value } from './ground.js';

const image = resolve('build/images/small');

/** A machine whose guest runs a line of shell once it is up. */
async function booted(ground: Ground, script: string) {
  const manager = await ground.open({ drivers: [createQemuDriver()] });
  const readiness = { kind: 'log', pattern: '^guest-ready' } as const;
  const instance = await value(
    manager.create({
      name: 'vm',
      image,
      readiness,
      env: { TOKEN: 'the token of the guest' },
      ports: [{ guest: 80 }],
      cmd: ['sh', '-c', `${script}\nsleep 60`],
    }),
  );
  await value(manager.waitForState('vm', 'Running', { timeoutMs: 60_000 }));
  return { manager, instance };
}

/** Attacks by what runs in a virtual machine. */
export const byGuest: readonly Attack[] = [
  {
    opponent: 'guest',
    name: 'reaches for what listens on the loopback of the host',
    play: async (ground) => {
      const heard: string[] = [];
      const server = createServer((socket) => {
        heard.push(String(socket.remotePort));
        socket.on('error', () => undefined);
        socket.end('a service of the host');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const port = String((server.address() as AddressInfo).port);
      try {
        // By the gateway, the resolver, and the address of the host itself.
        const tries = ['10.0.2.2', '10.0.2.3', '10.0.2.4', '127.0.0.1']
          .map((address) => `nc -w 1 ${address} ${port} </dev/null`)
          .join('; ');
        const { manager } = await booted(ground, `${tries}; echo tried`);
        await says(manager, 'vm', 'tried');
        assert.deepEqual(heard, [], 'the guest has reached a service of the host');
        assert.ok(!(await tail(manager, 'vm')).join('\n').includes('a service of the host'));
        // What is meant for others works on.
        const forwarded = hostPortOf(await value(manager.get('vm')), 80);
        const page = await fetch(`http://127.0.0.1:${String(forwarded)}/`);
        assert.equal(page.status, 200);
        await page.text();
      } finally {
        server.close();
      }
    },
  },
  {
    opponent: 'guest',
    name: 'has broken out into its QEMU, and looks around',
    play: async (ground) => {
      const { instance } = await booted(ground, 'echo here');
      const { pid } = instance.handle as { readonly pid: number };
      const proc = `/proc/${String(pid)}`;
      const status = readFileSync(join(proc, 'status'), 'utf8');
      assert.match(status, /^Seccomp:\s+2$/m, 'no system call is closed to it');
      if (isRoot) {
        assert.doesNotMatch(status, /^Uid:.*\b0\b/m, 'it is the superuser');
        assert.doesNotMatch(status, /^Gid:.*\b0\b/m, 'it is of the group of the superuser');
        assert.match(status, /^Groups:\s*(?!0\b)/m);
        assert.match(status, /^CapEff:\s+0+$/m, 'it has rights of the superuser');
      }
      const files = ((): readonly string[] => {
        try {
          return readdirSync(join(proc, 'fd')).map((fd) => readlinkSync(join(proc, 'fd', fd)));
        } catch {
          // Of a process that may not be traced nobody but the superuser can tell.
          assert.ok(!isRoot, 'what it holds cannot be seen');
          return [];
        }
      })();
      const home = ground.homeOf(instance);
      const foreign = files.filter(
        (path) =>
          path.startsWith('/') &&
          !path.startsWith(home) &&
          !path.startsWith(image) &&
          !/^\/(dev\/(null|kvm|urandom|ptmx)|memfd:)/.test(path) &&
          !path.endsWith(' (deleted)'),
      );
      assert.deepEqual(foreign, [], 'it holds what is none of its business');
      const line = readFileSync(join(proc, 'cmdline'), 'latin1');
      assert.ok(!line.includes('the token of the guest'), 'its command line tells a secret');
    },
  },
  {
    opponent: 'guest',
    name: 'floods its console',
    isLong: true,
    play: async (ground) => {
      const drivers = [createQemuDriver({ logMaxBytes: 65_536, logKeep: 1 })];
      const manager = await ground.open({ drivers });
      const readiness = { kind: 'log', pattern: '^guest-ready' } as const;
      const flood =
        'i=0; while [ $i -lt 8 ]; do head -c 40000 /dev/zero | tr "\\0" x; echo; i=$((i + 1)); done; echo; echo flooded';
      const instance = await value(
        manager.create({ name: 'vm', image, readiness, cmd: ['sh', '-c', `${flood}; sleep 60`] }),
      );
      await says(manager, 'vm', 'flooded');
      const log = join(ground.homeOf(instance), 'logs', 'app.log');
      await eventually(
        () => statSync(log).size,
        (bytes) => bytes < 131_072,
        'the log of the console stays long',
      );
    },
  },
];
