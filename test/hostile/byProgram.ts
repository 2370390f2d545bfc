import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { filter, map, type Observable, takeUntil, timer, toArray } from 'rxjs';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { kernelViewOf, processesOf } from '../support/processes.js';
import type { Attack } from './attack.js';
import { eventually } from './eventually.js';
import { forgeRun } from './forgeRun.js';
import {
  type Ground,
  asNobody,
  isRoot,
  kill,
  openImage,
  parentOf,
  processesNaming,
  says,
  sessionOf,
  tail,
  tried,
  type User,
  value,
} from './ground.js';
import { treeOf } from './outside.js';

const sleeper = `console.log('here');`;

const isGone = async (pid: number): Promise<void> => {
  await eventually(
    () => kernelViewOf(pid),
    (found) => found === undefined,
    `process ${String(pid)} runs on`,
  );
};

const pidOf = ({ handle }: Instance): number => {
  assert.ok(typeof handle?.pid === 'number', 'there is no process');
  return handle.pid;
};

/** Creates an instance and waits until its program says that it is there. */
async function begun(
  manager: InstanceManager,
  request: Parameters<InstanceManager['create']>[0],
): Promise<Instance> {
  const instance = await value(manager.create(request));
  await says(manager, request.name, 'here');
  return instance;
}

/** What may stand in the place of a file or folder of a home. */
const kinds: Readonly<Record<string, (place: string, ground: Ground) => void>> = {
  'a link to a file outside': (place, { outside }) => {
    symlinkSync(outside.file, place);
  },
  'a link to a folder outside': (place, { outside }) => {
    symlinkSync(outside.folder, place);
  },
  'a link to nothing outside': (place, { outside }) => {
    symlinkSync(outside.nothing, place);
  },
  'a pipe': (place) => {
    execFileSync('mkfifo', [place]);
  },
  'a folder': (place) => {
    mkdirSync(place);
  },
  'a link to a device without end': (place) => {
    symlinkSync('/dev/zero', place);
  },
};

const places = [
  'logs/app.log',
  'logs/app.cri.log',
  'logs',
  'work',
  'run',
  'run/record.json',
  'run/stdout',
  'run/reader',
  'run.json',
  '.rx-instances',
];

/** Of each place a pipe, and a link to what it should be. */
const isTypical = (place: string, kind: string): boolean =>
  kind === 'a pipe' ||
  kind === (/\.\w+$/.test(place) ? 'a link to a file outside' : 'a link to a folder outside');

/** Every verb that has to do with a home, which is spoilt before each; none may stop, or reach out. */
async function tryAll(
  ground: Ground,
  manager: InstanceManager,
  name: string,
  spoil: () => void = () => undefined,
): Promise<void> {
  const { outside } = ground;
  const heard: string[] = [];
  const hear = async (follow: boolean): Promise<void> => {
    spoil();
    const line$ = manager.logs(name, { follow, tail: 10 }).pipe(
      map(({ text }) => text),
      takeUntil(timer(50)),
      toArray(),
    );
    // What stands there is no log: to say so in the words of the system is as good as any.
    heard.push(...(await value(line$).catch(() => [])));
  };
  const attempt = <T>(verb$: Observable<T>): Promise<{ readonly value?: T }> => {
    spoil();
    return tried(value(verb$));
  };
  await attempt(manager.stop(name));
  await attempt(manager.start(name));
  await hear(false);
  await hear(true);
  await attempt(manager.fork(name, { name: 'fork', fromRunning: true }));
  await attempt(manager.stop(name));
  const { value: taken } = await attempt(manager.createSnapshot(name, { kind: 'Stopped' }));
  if (taken !== undefined) {
    await attempt(manager.forkSnapshot(taken.id, { name: 'copy' }));
    await attempt(manager.restoreSnapshot(name, taken.id));
  }
  await attempt(manager.start(name));
  await hear(false);
  outside.isNotIn(join(ground.dataDir, 'snapshots'));
  for (const { id } of await value(manager.list())) {
    // Its own folder may be what it likes.
    if (id !== (await value(manager.get(name))).id) outside.isNotIn(ground.homeOf({ id }));
  }
  await ground.close();
  spoil();
  const next = await ground.open();
  await attempt(next.refresh(name));
  await attempt(next.delete(name));
  assert.ok(!heard.join('\n').includes(outside.secret.trim()), 'a log tells what stands outside');
  outside.isUntouched();
}

const inPlaceOfOurs = places.flatMap((place) =>
  Object.entries(kinds).map(([kind, put]): Attack => ({
    opponent: 'program',
    name: `puts ${kind} in the place of its ${place}`,
    isLong: !isTypical(place, kind),
    play: async (ground) => {
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const path = join(ground.homeOf(instance), place);
      // The reader of its output may still write its name there.
      rmSync(path, { recursive: true, force: true, maxRetries: 10 });
      mkdirSync(join(path, '..'), { recursive: true });
      put(path, ground);
      await tryAll(ground, manager, 'web');
    },
  })),
);

/** Names under which we may be writing something in a moment, as links to what lies outside. */
const inPlaceOfWhatComes: readonly Attack[] = [
  'run.json.new',
  'run/record.json.new',
  'work.next',
  'work.former',
  'logs/app.log.copy',
  'logs/app.log.new',
  'logs/app.log.0-9',
  'logs/app.log.0-99999999999999999999',
  'logs/app.cri.log.0-9',
  'logs/app.cri.log.0-99999999999999999999',
].map((place) => ({
  opponent: 'program',
  name: `has laid a link outside where ${place} may be written`,
  isLong: place !== 'logs/app.log.new',
  play: async (ground) => {
    const { outside } = ground;
    const drivers = [createProcessDriver({ pollMs: 20, logMaxBytes: 64 })];
    const manager = await ground.open({ drivers });
    const flood = `console.log('here'); setInterval(() => console.log('x'.repeat(64)), 20);`;
    const instance = await begun(manager, ground.program('web', flood));
    const path = join(ground.homeOf(instance), place);
    mkdirSync(join(path, '..'), { recursive: true });
    symlinkSync(place.startsWith('work') ? outside.folder : outside.file, path);
    // Until the log was laid aside, or that was given up. What is no part of a log is not read.
    const { error } = await tried(
      value(manager.logs('web', { follow: true }).pipe(filter((_, index) => index === 70))),
    );
    if (error !== undefined) assert.equal((error as { readonly _tag?: string })._tag, 'LogUnreadable');
    await tryAll(ground, manager, 'web');
  },
}));

const forgeries: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'forges a record of its run that names a process of others',
    play: async (ground) => {
      for (const user of ground.users) {
        const name = `forger-${user}`;
        const stranger = ground.stranger();
        const manager = await ground.open();
        const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
        const forged = { pid: stranger.pid, startTime: stranger.startTime, bootId };
        const instance = await begun(manager, ground.program(name, forgeRun(forged), user));
        await ground.close();
        kill(pidOf(instance));
        await isGone(pidOf(instance));
        for (const pid of processesNaming(ground.folder)) kill(pid);
        if (user === 'same') await forgeAgain(ground, instance, forged);
        const next = await ground.open();
        stranger.lives();
        await tried(value(next.stop(name)));
        await tried(value(next.start(name)));
        await tried(value(next.delete(name)));
        stranger.lives();
        for (const pid of processesNaming(ground.folder)) kill(pid);
      }
    },
  },
  {
    opponent: 'program',
    name: 'forges a record of its run that names the process of another instance',
    play: async (ground) => {
      const manager = await ground.open();
      const victim = await begun(manager, ground.program('victim', sleeper));
      const instance = await begun(manager, ground.program('web', sleeper));
      await ground.close();
      kill(pidOf(instance));
      await isGone(pidOf(instance));
      const {
        pid = 0,
        startTime,
        bootId,
      } = victim.handle as { pid?: number; startTime: string; bootId: string };
      await forgeAgain(ground, instance, { pid, startTime, bootId });
      const next = await ground.open();
      await tried(value(next.delete('web')));
      assert.ok(kernelViewOf(pid) !== undefined, 'the process of another instance was ended');
      assert.equal((await value(next.get('victim'))).state, 'Running');
    },
  },
  {
    opponent: 'program',
    name: 'forges that it ended well when it was killed',
    play: async (ground) => {
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const pid = pidOf(instance);
      const spawner = parentOf(pid);
      await ground.close();
      kill(pid);
      await isGone(pid);
      await isGone(spawner);
      await forgeAgain(ground, instance, {}, { code: 0, signal: null });
      const { exit } = await value((await ground.open()).get('web'));
      assert.notEqual(exit?.code, 0, 'a kill was told as success');
    },
  },
  {
    opponent: 'program',
    name: 'ends the process that writes down its end, and forges that',
    play: async (ground) => {
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const pid = pidOf(instance);
      const spawner = parentOf(pid);
      await ground.close();
      kill(spawner);
      await isGone(spawner);
      kill(pid);
      await isGone(pid);
      await forgeAgain(ground, instance, {}, { code: 0, signal: null });
      const { exit } = await value((await ground.open()).get('web'));
      assert.notEqual(exit?.code, 0, 'a kill was told as success');
    },
  },
  {
    opponent: 'program',
    name: 'leaves a record of its run that is no record',
    play: async (ground) => {
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const places = ['run.json', 'run/record.json'].map((place) => join(ground.homeOf(instance), place));
      for (const text of ['', '{', '[]', 'null', '['.repeat(20_000), '9'.repeat(2_000_000)]) {
        await ground.close();
        for (const place of places.filter((each) => existsSync(each))) writeFileSync(place, text);
        assert.equal((await value((await ground.open()).get('web'))).state, 'Running');
      }
      await ground.close();
      for (const place of places.filter((each) => existsSync(each))) truncateSync(place, 2 ** 40);
      assert.equal((await value((await ground.open()).get('web'))).state, 'Running');
    },
  },
];

/** Changes what the record of a run says, as a program of our own user can at any time. */
async function forgeAgain(ground: Ground, instance: Instance, handle: object, exit?: object): Promise<void> {
  const home = ground.homeOf(instance);
  for (const place of ['run.json', 'run/record.json']) {
    const path = join(home, place);
    const known = forgeableIn(path);
    const legacy = { handle: instance.handle, spawner: { pid: 2, startTime: '1' } } as Forgeable;
    const { exit: _, ...record } = known ?? legacy;
    mkdirSync(join(path, '..'), { recursive: true });
    const forged = {
      ...record,
      handle: { ...record.handle, ...handle },
      ...(exit !== undefined && { exit }),
    };
    rmSync(path, { force: true });
    writeFileSync(path, JSON.stringify(forged));
  }
  return Promise.resolve();
}

/** What stands there, unless that was cut off while it was forged before. */
function forgeableIn(path: string): Forgeable | undefined {
  try {
    const [run = ''] = readFileSync(path, 'utf8').split('\n');
    return JSON.parse(run) as Forgeable;
  } catch {
    return undefined;
  }
}

interface Forgeable {
  readonly handle: object;
  readonly exit?: object;
}

/** A request for a line of shell, whose `$0` is the folder of the attack. */
const shell = (ground: Ground, name: string, script: string, user: User = 'same'): CreateRequest => ({
  ...ground.program(name, '', user),
  entrypoint: [...(user === 'other' ? asNobody : []), 'sh', '-c', script, ground.folder],
});

/** A program that starts others beside it, each the leader of a session of its own. */
const escaping = (escapee: string, count: number): string =>
  `for each in $(seq ${String(count)}); do setsid sh -c '${escapee}' "$0" & done; echo here; wait`;

/** It hears nothing that can be passed over. */
const lasting = `trap "" TERM HUP; sleep 30`;

/** Waits until so many processes have left the session of an instance. */
const haveEscaped = async (ground: Ground, instance: Instance, count: number): Promise<void> => {
  const session = sessionOf(pidOf(instance));
  await eventually(
    () => processesNaming(ground.folder).filter((pid) => sessionOf(pid) !== session),
    (found) => found.length >= count,
    'too few have escaped',
  );
};

const noneIsLeft = async (ground: Ground, what: string): Promise<void> => {
  await eventually(
    () => processesNaming(ground.folder),
    (found) => found.length === 0,
    what,
  );
};

/** Whether the system lets us group processes, so that none escapes. */
const hasGroups = isRoot && existsSync('/sys/fs/cgroup');

/** Where processes can't be grouped, what leaves its session is looked for when its home is copied or removed. */
const noneOutlives = async (
  ground: Ground,
  manager: InstanceManager,
  name: string,
  what: string,
): Promise<void> => {
  if (!hasGroups) await value(manager.delete(name));
  await noneIsLeft(ground, what);
};

const escapes: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'does not end when it is told to',
    play: async (ground) => {
      for (const user of ground.users) {
        const manager = await ground.open();
        const deaf = `process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); console.log('here');`;
        await begun(manager, ground.program(`deaf-${user}`, deaf, user));
        const { exit } = await value(manager.stop(`deaf-${user}`));
        assert.deepEqual(exit, { code: null, signal: 'SIGKILL', stoppedBy: 'caller' });
        await noneIsLeft(ground, 'it was stopped, and runs on');
      }
    },
  },
  ...['stop', 'delete'].map((verb): Attack => ({
    opponent: 'program',
    name: `leaves programs in sessions of their own behind at a ${verb}`,
    play: async (ground) => {
      for (const user of ground.users) {
        const name = `parent-${user}`;
        const manager = await ground.open();
        const instance = await begun(manager, shell(ground, name, escaping(lasting, 5), user));
        await haveEscaped(ground, instance, 5);
        const left = `it has come to a ${verb}, and what it has started runs on`;
        await value(verb === 'stop' ? manager.stop(name) : manager.delete(name));
        await (verb === 'stop' ? noneOutlives(ground, manager, name, left) : noneIsLeft(ground, left));
      }
    },
  })),
  {
    opponent: 'program',
    name: 'leaves a program behind that works elsewhere under another name',
    play: async (ground) => {
      if (!hasGroups) return;
      const manager = await ground.open();
      const escapee = `cd /; exec env -i sh -c "sleep 30; :" "$0"`;
      const instance = await begun(manager, shell(ground, 'web', escaping(escapee, 1)));
      await haveEscaped(ground, instance, 1);
      await value(manager.delete('web'));
      await noneIsLeft(ground, 'the instance is deleted, and what it has started runs on');
    },
  },
  {
    opponent: 'program',
    name: 'has twenty programs that start others when they are told to end',
    play: async (ground) => {
      const manager = await ground.open();
      const escapee = `trap "setsid sleep 30 &" TERM HUP; for each in $(seq 30); do sleep 1; done`;
      const instance = await begun(manager, shell(ground, 'web', escaping(escapee, 20)));
      await haveEscaped(ground, instance, 20);
      await value(manager.stop('web'));
      await noneOutlives(ground, manager, 'web', 'the instance is stopped, and what it has started runs on');
    },
  },
  {
    opponent: 'program',
    name: 'leaves programs behind when it ends by itself',
    play: async (ground) => {
      const manager = await ground.open();
      const ended = value(manager.events('test').pipe(filter(({ action }) => action === 'exit')));
      const script = `setsid sh -c '${lasting}' "$0" & setsid sh -c '${lasting}' "$0" & echo here; read line <go; exit 3`;
      const instance = await begun(manager, shell(ground, 'web', `mkfifo go; ${script}`));
      await haveEscaped(ground, instance, 2);
      writeFileSync(join(ground.homeOf(instance), 'work', 'go'), 'go\n');
      const { instance: told } = await ended;
      assert.deepEqual(told?.exit, { code: 3, signal: null });
      await noneOutlives(ground, manager, 'web', 'the instance has ended, and what it has started runs on');
    },
  },
];

const bytesOnDisk = (path: string): number => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  const below = found.isDirectory() ? readdirSync(path).map((name) => bytesOnDisk(join(path, name))) : [];
  return found.blocks * 512 + below.reduce((sum, bytes) => sum + bytes, 0);
};

const logs: readonly Attack[] = [
  ...['once', 'again and again'].map((often): Attack => ({
    opponent: 'program',
    name: `makes a hole in its log, ${often}`,
    isLong: often === 'once',
    play: async (ground) => {
      for (const user of ground.users) {
        const drivers = [createProcessDriver({ pollMs: 20, logMaxBytes: 1_048_576 })];
        const manager = await ground.open({ drivers });
        const name = `hole-${user}`;
        const hole = `
            const { appendFileSync, truncateSync } = require('node:fs');
            const log = '../logs/app.cri.log';
            let size = 2 ** 36;
            const dig = () => { try { truncateSync(log, (size += 2 ** 36)); appendFileSync(log, 'below\\n'); } catch {} };
            console.log('here');
            setTimeout(() => { dig(); ${often === 'once' ? '' : 'setInterval(dig, 50);'} }, 100);`;
        const instance = await begun(manager, ground.program(name, hole, user));
        const log = join(ground.homeOf(instance), 'logs');
        await eventually(
          () => bytesOnDisk(log),
          (bytes) => bytes > 0,
          'nothing was logged',
        );
        for (let round = 0; round < ground.rounds; round += 1) {
          await tried(tail(manager, name, 10));
          const follow$ = manager.logs(name, { follow: true, tail: 10 });
          await tried(value(follow$.pipe(takeUntil(timer(600)), toArray())));
        }
        assert.ok(bytesOnDisk(log) < 2 ** 27, `the logs take ${String(bytesOnDisk(log))} bytes on disk`);
        assert.ok(process.memoryUsage().rss < 2 ** 30, 'the manager holds a GiB');
        await value(manager.delete(name));
      }
    },
  })),
  {
    opponent: 'program',
    name: 'floods its log',
    play: async (ground) => {
      const drivers = [createProcessDriver({ pollMs: 20, logMaxBytes: 1_048_576, logKeep: 1 })];
      const manager = await ground.open({ drivers });
      const flood = `
        const text = ('x'.repeat(99) + '\\n').repeat(10_000);
        let left = 40;
        const write = () => { if ((left -= 1) < 0) console.log('done'); else process.stdout.write(text, write); };
        write();`;
      const instance = await value(manager.create(ground.program('web', flood)));
      // The last line alone: all before it may be laid aside and removed before anybody looks.
      await says(manager, 'web', 'done');
      assert.equal((await tail(manager, 'web', 1_000)).length, 1_000);
      const log = join(ground.homeOf(instance), 'logs/app.cri.log');
      // It is laid aside in the end, whatever was written in one go.
      await eventually(
        () => statSync(log).size,
        (bytes) => bytes < 2_097_152,
        'the log stays long',
      );
      assert.ok(process.memoryUsage().rss < 2 ** 30, 'the manager holds a GiB');
    },
  },
  {
    opponent: 'program',
    name: 'writes one line without an end',
    play: async (ground) => {
      const manager = await ground.open();
      const line = `
        console.log('here');
        process.stdout.write('x'.repeat(32 * 1_048_576), () => { console.log(''); console.log('done'); });`;
      const readiness = { kind: 'log', pattern: '^done$' } as const;
      await begun(manager, { ...ground.program('web', line), readiness });
      await says(manager, 'web', 'done');
      const longest = Math.max(...(await tail(manager, 'web', 10)).map(({ length }) => length));
      assert.ok(longest <= 1_048_576, `a line of ${String(longest)} characters`);
    },
  },
];

const work: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'leaves set-uid and set-gid bits where copies are made',
    play: async (ground) => {
      for (const user of ground.users) {
        const image = user === 'same' ? openImage(ground) : join(ground.folder, 'image');
        const manager = await ground.open();
        const script = `
          const { chmodSync, mkdirSync, writeFileSync } = require('node:fs');
          writeFileSync('file-${user}', ''); chmodSync('file-${user}', 0o6755);
          mkdirSync('folder-${user}'); chmodSync('folder-${user}', 0o2755);
          console.log('here');`;
        const name = `bits-${user}`;
        const instance = await begun(manager, { ...ground.program(name, script, user), image });
        chmodSync(join(ground.homeOf(instance), 'work', `file-${user}`), 0o6755);
        const fork = await value(manager.fork(name, { name: `${name}-fork`, fromRunning: true }));
        await value(manager.stop(name));
        const taken = await value(manager.createSnapshot(name, { kind: 'Stopped' }));
        const copy = await value(manager.forkSnapshot(taken.id, { name: `${name}-copy` }));
        for (const folder of [
          join(ground.homeOf(fork), 'work'),
          join(ground.dataDir, 'snapshots', taken.id),
          join(ground.homeOf(copy), 'work'),
        ]) {
          assert.ok(bitsIn(folder).length === 0 || folder.includes('instances'), 'a snapshot keeps bits');
        }
        // The program of a copy sets its own; those of a copy that never ran would be what was copied.
        const still = await value(manager.fork(name, { name: `${name}-still`, targetState: 'Stopped' }));
        const laid = await value(
          manager.forkSnapshot(taken.id, { name: `${name}-laid`, targetState: 'Stopped' }),
        );
        for (const each of [still, laid]) {
          assert.deepEqual(bitsIn(join(ground.homeOf(each), 'work')), [], 'bits were copied');
        }
      }
    },
  },
  {
    opponent: 'program',
    name: 'leaves files of other users and devices where copies are made',
    only: 'root',
    play: async (ground) => {
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const folder = join(ground.homeOf(instance), 'work');
      writeFileSync(join(folder, 'foreign'), '');
      chownSync(join(folder, 'foreign'), 12_345, 12_345);
      execFileSync('mknod', [join(folder, 'null'), 'c', '1', '3']);
      await value(manager.stop('web'));
      const taken = await tried(value(manager.createSnapshot('web', { kind: 'Stopped' })));
      const fork = await tried(value(manager.fork('web', { name: 'fork', targetState: 'Stopped' })));
      const copies = [
        ...(taken.value === undefined ? [] : [join(ground.dataDir, 'snapshots', taken.value.id)]),
        ...(fork.value === undefined ? [] : [join(ground.homeOf(fork.value), 'work')]),
      ];
      for (const [path, { owner, mode }] of copies.flatMap((copy) => Object.entries(treeOf(copy)))) {
        assert.equal(owner, 0, `${path} is another user's`);
        assert.match(mode, /^(4|10|12)\d{4}$/, `${path} is no file, folder or link`);
      }
    },
  },
  {
    opponent: 'program',
    name: 'makes a large file of holes',
    isLong: true,
    play: async (ground) => {
      const manager = await ground.open();
      const script = `
        const { truncateSync, writeFileSync } = require('node:fs');
        writeFileSync('holes', 'x'); truncateSync('holes', 2 ** 30);
        console.log('here');`;
      await begun(manager, ground.program('web', script));
      await value(manager.stop('web'));
      const fork = await value(manager.fork('web', { name: 'fork', targetState: 'Stopped' }));
      const copied = join(ground.homeOf(fork), 'work', 'holes');
      assert.equal(statSync(copied).size, 2 ** 30);
      assert.ok(bytesOnDisk(copied) < 2 ** 24, `the copy takes ${String(bytesOnDisk(copied))} bytes on disk`);
      const taken = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
      const folder = join(ground.dataDir, 'snapshots', taken.id);
      assert.ok(bytesOnDisk(folder) < 2 ** 24, `the snapshot takes ${String(bytesOnDisk(folder))} bytes`);
    },
  },
  {
    opponent: 'program',
    name: 'hangs a file of others beneath its folder',
    play: async (ground) => {
      const { outside } = ground;
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      linkSync(outside.file, join(ground.homeOf(instance), 'work', 'hard'));
      symlinkSync(outside.folder, join(ground.homeOf(instance), 'work', 'soft'));
      await value(manager.stop('web'));
      const taken = await tried(value(manager.createSnapshot('web', { kind: 'Stopped' })));
      if (taken.value !== undefined) {
        await tried(value(manager.restoreSnapshot('web', taken.value.id)));
        await tried(value(manager.deleteSnapshot(taken.value.id)));
      }
      await value(manager.delete('web'));
      outside.isUntouched();
    },
  },
  {
    opponent: 'program',
    name: 'leaves folders that are deep, closed, or have odd names',
    play: async (ground) => {
      const manager = await ground.open();
      const script = `
        const { chmodSync, mkdirSync, writeFileSync } = require('node:fs');
        const here = process.cwd();
        for (const name of ['-rf', '*', 'a\\nb', '__proto__', ' ', '\\u202e', 'x'.repeat(255), '\\\\']) writeFileSync(name, name);
        writeFileSync(Buffer.from([0xff, 0xfe]), '');
        mkdirSync('closed'); writeFileSync('closed/file', ''); chmodSync('closed', 0);
        mkdirSync('deep'); process.chdir('deep');
        for (let depth = 0; depth < 40; depth += 1) { mkdirSync('d'.repeat(250)); process.chdir('d'.repeat(250)); }
        process.chdir(here);
        console.log('here');`;
      const instance = await begun(manager, ground.program('web', script));
      await value(manager.stop('web'));
      await tried(value(manager.fork('web', { name: 'fork', targetState: 'Stopped' })));
      await tried(value(manager.createSnapshot('web', { kind: 'Stopped' })));
      await value(manager.delete('web'));
      assert.ok(!existsSync(ground.homeOf(instance)), 'something is left of its home');
    },
  },
];

const bitsIn = (folder: string): readonly string[] =>
  Object.entries(treeOf(folder))
    .filter(([, { mode }]) => (parseInt(mode, 8) & 0o6000) !== 0)
    .map(([path]) => path);

const moves: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'puts a link outside in the place of its home',
    play: async (ground) => {
      const { outside } = ground;
      const manager = await ground.open();
      const instance = await begun(manager, ground.program('web', sleeper));
      const home = ground.homeOf(instance);
      renameSync(home, join(ground.folder, 'moved'));
      symlinkSync(outside.folder, home);
      await tryAll(ground, manager, 'web');
    },
  },
  {
    opponent: 'program',
    name: 'puts a link outside in the place of a snapshot',
    play: async (ground) => {
      const { outside } = ground;
      const manager = await ground.open();
      await begun(manager, ground.program('web', sleeper));
      await value(manager.stop('web'));
      const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
      const folder = join(ground.dataDir, 'snapshots', id);
      renameSync(folder, join(ground.folder, 'moved'));
      symlinkSync(outside.folder, folder);
      await tried(value(manager.forkSnapshot(id, { name: 'fork' })));
      await tried(value(manager.restoreSnapshot('web', id)));
      await tried(value(manager.deleteSnapshot(id)));
      outside.isUntouched();
    },
  },
];

const leaks: readonly Attack[] = [
  {
    opponent: 'program',
    name: 'looks at what it has inherited',
    play: async (ground) => {
      for (const user of ground.users) {
        process.env['HOSTILE_CANARY'] = 'a variable of the application';
        const manager = await ground.open();
        const request = ground.program(`heir-${user}`, '', user);
        const instance = await value(manager.create({ ...request, entrypoint: ['sleep', '30'], cmd: [] }));
        const pid = pidOf(instance);
        await eventually(
          () => readFileSync(`/proc/${String(pid)}/cmdline`, 'latin1'),
          (line) => line.startsWith('sleep'),
          'the program is not there',
        );
        const files = `/proc/${String(pid)}/fd`;
        // What it opens itself as it begins, such as its locale, it closes.
        await eventually(
          () => readdirSync(files).join(' '),
          (fds) => fds === '0 1 2',
          'it holds more than its input, its output and its errors',
        );
        for (const fd of readdirSync(files)) {
          const path = readlinkSync(join(files, fd));
          assert.ok(!/data\.mdb|\/lock/.test(path), `it holds ${path}`);
        }
        const spawner = `/proc/${String(parentOf(pid))}/fd`;
        const held = readdirSync(spawner).map((fd) => readlinkSync(join(spawner, fd)));
        assert.deepEqual(
          held.filter((path) => path.includes(ground.dataDir) && !path.includes('instances')),
          [],
          'the process that starts others holds what is ours',
        );
        const environment = readFileSync(`/proc/${String(pid)}/environ`, 'latin1');
        assert.ok(!environment.includes('HOSTILE_CANARY'), 'it has the environment of the application');
        assert.equal(readlinkSync(`/proc/${String(pid)}/cwd`), join(ground.homeOf(instance), 'work'));
        assert.ok(processesOf(instance.id).includes(pid));
        await value(manager.delete(instance.id));
      }
    },
  },
];

/** Attacks by the program in an instance. */
export const byProgram: readonly Attack[] = [
  ...forgeries,
  ...inPlaceOfOurs,
  ...inPlaceOfWhatComes,
  ...escapes,
  ...logs,
  ...work,
  ...moves,
  ...leaks,
];
