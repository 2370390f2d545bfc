import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import type { Attack } from './attack.js';
import { type Ground, openImage, says, tried, type User, value } from './ground.js';

/**
 * A program that lets a folder and a link to what lies outside change places without pause, and a file and a link likewise, in
 * a process that has left its session, for ten seconds. What is missing it makes anew.
 */
const swapping = (folder: string, file: string): string => {
  const swapper = `
    const fs = require('node:fs');
    const make = (work) => { try { work(); } catch {} };
    const until = Date.now() + 10_000;
    const names = Array.from({ length: 12 }, (_, index) => 'swap-' + index);
    process.on('SIGTERM', () => {});
    let told = false;
    while (Date.now() < until) {
      for (const name of names) {
        make(() => { fs.mkdirSync(name + '/below', { recursive: true }); });
        make(() => { fs.writeFileSync(name + '/canary.txt', 'inside'); });
        make(() => { fs.writeFileSync(name + '/below/deep.txt', 'inside'); });
        make(() => { fs.symlinkSync(${JSON.stringify(folder)}, name + '-link'); });
      }
      make(() => { fs.writeFileSync('swap-file', 'inside'); });
      make(() => { fs.symlinkSync(${JSON.stringify(file)}, 'swap-file-link'); });
      if (!told) { console.log('out'); told = true; }
      for (let turn = 0; turn < 50; turn += 1) {
        for (const name of [...names, 'swap-file']) {
          make(() => { fs.renameSync(name, name + '-rest'); });
          make(() => { fs.renameSync(name + '-link', name); });
          make(() => { fs.renameSync(name, name + '-link'); });
          make(() => { fs.renameSync(name + '-rest', name); });
        }
      }
    }`;
  return `
    const { spawn } = require('node:child_process');
    const options = { detached: true, stdio: ['ignore', 'pipe', 'ignore'] };
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(swapper)}, process.argv[1]], options);
    child.stdout.once('data', () => console.log('here'));
    child.unref();`;
};

async function swaps(ground: Ground, user: User, image: string, name: string): Promise<InstanceManager> {
  const manager = await ground.open();
  const { folder, file } = ground.outside;
  await value(manager.create({ ...ground.program(name, swapping(folder, file), user), image }));
  await says(manager, name, 'here');
  return manager;
}

/** Attacks by a program in an instance that changes its folder while we walk through it. */
export const byProgramThatSwaps: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'swaps folders for links while it is forked',
    play: async (ground) => {
      const { outside } = ground;
      const image = openImage(ground);
      for (const user of ground.users) {
        const manager = await swaps(ground, user, image, `source-${user}`);
        for (let round = 0; round < 4 * ground.rounds; round += 1) {
          const request = { name: `fork-${user}-${String(round)}`, fromRunning: true } as const;
          const { value: fork } = await tried(
            value(manager.fork(`source-${user}`, { ...request, targetState: 'Stopped' })),
          );
          if (fork === undefined) continue;
          outside.isNotIn(join(ground.homeOf(fork), 'work'));
          await value(manager.delete(fork.id));
        }
        outside.isUntouched();
        await value(manager.delete(`source-${user}`));
        outside.isUntouched();
      }
    },
  },
  {
    opponent: 'program',
    name: 'swaps folders for links while a snapshot of it is taken and brought back',
    play: async (ground) => {
      const { outside } = ground;
      const image = openImage(ground);
      for (const user of ground.users) {
        const name = `source-${user}`;
        const manager = await swaps(ground, user, image, name);
        await value(manager.stop(name));
        for (let round = 0; round < 2 * ground.rounds; round += 1) {
          const { value: taken } = await tried(value(manager.createSnapshot(name, { kind: 'Stopped' })));
          if (taken === undefined) continue;
          const folder = join(ground.dataDir, 'snapshots', taken.id);
          outside.isNotIn(folder);
          await tried(value(manager.restoreSnapshot(name, taken.id)));
          await value(manager.deleteSnapshot(taken.id));
          assert.ok(!existsSync(folder), 'a snapshot that was deleted is there');
        }
        outside.isUntouched();
        await tried(value(manager.delete(name)));
        outside.isUntouched();
      }
    },
  },
  {
    opponent: 'program',
    name: 'swaps folders for links while it is deleted',
    play: async (ground) => {
      const { outside } = ground;
      const image = openImage(ground);
      for (const user of ground.users) {
        for (let round = 0; round < ground.rounds; round += 1) {
          const name = `source-${user}-${String(round)}`;
          const manager = await swaps(ground, user, image, name);
          const { id } = await value(manager.get(name));
          await tried(value(manager.delete(name)));
          outside.isUntouched();
          await tried(value((await ground.open()).delete(name)));
          outside.isUntouched();
          assert.ok(!existsSync(ground.homeOf({ id })), 'something is left of its home');
        }
      }
    },
  },
];
