import assert from 'node:assert/strict';
import { createId } from '@paralleldrive/cuid2';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { ownMark } from '../../src/drivers/driver.js';
import { openDatabase } from '../../src/store/database.js';
import { opened, sealed } from '../../src/store/tables.js';
import * as E from 'fp-ts/lib/Either.js';
import type { Attack } from './attack.js';
import { type Ground, kill, processesNaming, refused, says, tried, value } from './ground.js';
import { treeOf } from './outside.js';

/** A data directory with an instance that runs, one that is stopped, and a snapshot; closed. */
async function filled(
  ground: Ground,
): Promise<{ readonly running: string; readonly stopped: string; readonly snapshot: string }> {
  const manager = await ground.open();
  const running = await value(manager.create(ground.program('web', `console.log('here');`)));
  await says(manager, 'web', 'here');
  const old = await value(manager.create({ name: 'old', image: 'scratch', entrypoint: ['sleep', '30'] }));
  writeFileSync(join(ground.homeOf(old), 'work', 'file'), 'what the instance wrote');
  await value(manager.stop('old'));
  const snapshot = await value(manager.createSnapshot('old', { kind: 'Stopped' }));
  await ground.close();
  return { running: running.id, stopped: old.id, snapshot: snapshot.id };
}

const fileOf = ({ dataDir }: Ground): string => join(dataDir, 'store', 'data.mdb');

/** A record as JSON. */
type Fields = Record<string, unknown>;

/** Puts records beside those that a closed store holds; `change` is given one that is there and makes others of it. */
async function plant(
  ground: Ground,
  table: 'Instance' | 'Snapshot',
  id: string,
  change: (record: Fields) => Readonly<Record<string, unknown>>,
): Promise<void> {
  const database = await openDatabase(fileOf(ground));
  const key = `${table}/${id}`;
  const bytes = database.get(key);
  assert.ok(bytes !== undefined, `there is no record ${key}`);
  const record = opened({ key, bytes });
  assert.ok(E.isRight(record));
  const { version, json } = record.right;
  const planted = Object.entries(change(JSON.parse(json) as Fields)).map(([name, fields]) => {
    const text = typeof fields === 'string' ? fields : JSON.stringify(fields);
    const row = sealed(`${table}/${name}`, version, text);
    return [row.key, row.bytes] as const;
  });
  await database.write(new Map(planted));
  await database.close();
}

/** What stands in a directory of others, and is to stay. */
function lay(folder: string): Readonly<Record<string, unknown>> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'thesis.txt'), 'the only copy');
  return treeOf(folder);
}

const foreign: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'holds folders of others beside homes and snapshots',
    play: async (ground) => {
      const { outside } = ground;
      await filled(ground);
      const laid = new Map<string, Readonly<Record<string, unknown>>>();
      const names = ['backup', 'prod', 'a', 'lost+found', createId(), 'x'.repeat(24), 'Backup', '.hidden'];
      for (const parent of ['instances', 'snapshots']) {
        for (const name of names) {
          const folder = join(ground.dataDir, parent, name);
          laid.set(folder, lay(folder));
        }
        // What only looks like our mark is none.
        const odd = join(ground.dataDir, parent, createId());
        mkdirSync(join(odd, ownMark), { recursive: true });
        laid.set(odd, lay(odd));
        const file = join(ground.dataDir, parent, createId());
        writeFileSync(file, 'a file');
        laid.set(file, treeOf(file));
        for (const name of [createId(), 'link']) {
          const link = join(ground.dataDir, parent, name);
          symlinkSync(outside.folder, link);
          laid.set(link, treeOf(link));
        }
      }
      const manager = await ground.open();
      assert.equal((await value(manager.list())).length, 2);
      for (const [folder, before] of laid) assert.deepEqual(treeOf(folder), before, `${folder} was touched`);
      outside.isUntouched();
    },
  },
  {
    opponent: 'directory',
    name: 'holds links to folders that bear our mark',
    play: async (ground) => {
      await filled(ground);
      const elsewhere = join(ground.folder, 'elsewhere');
      mkdirSync(elsewhere);
      writeFileSync(join(elsewhere, ownMark), '');
      const before = lay(elsewhere);
      for (const parent of ['instances', 'snapshots']) {
        symlinkSync(elsewhere, join(ground.dataDir, parent, createId()));
      }
      await ground.open();
      assert.deepEqual(treeOf(elsewhere), before, 'what a link leads to was touched');
    },
  },
  {
    opponent: 'directory',
    name: 'is not ours',
    play: async (ground) => {
      const make = (name: string, fill: (folder: string) => void): string => {
        const folder = join(ground.folder, name);
        lay(folder);
        fill(folder);
        return folder;
      };
      const theirs = [
        make('home', () => undefined),
        make('instances-of-others', (folder) => {
          lay(join(folder, 'instances', 'prod'));
          lay(join(folder, 'snapshots', createId()));
        }),
        make('store-of-others', (folder) => {
          lay(join(folder, 'store'));
        }),
        make('hidden', (folder) => {
          mkdirSync(join(folder, '.git'));
        }),
      ];
      for (const dataDir of theirs) {
        const before = treeOf(dataDir);
        const error = await refused(ground.open({ dataDir }), 'StoreFailed', 'InvalidRequest');
        assert.ok(error.message.includes(dataDir), `it does not name the directory: ${error.message}`);
        assert.deepEqual(treeOf(dataDir), before, 'a directory of others was touched');
      }
    },
  },
  {
    opponent: 'directory',
    name: 'is no directory',
    play: async (ground) => {
      const file = join(ground.folder, 'file');
      writeFileSync(file, 'a file');
      const pipe = join(ground.folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      for (const dataDir of [
        file,
        pipe,
        join(file, 'below'),
        '/proc/self',
        '/dev/null',
        ground.outside.nothing + '\n'.repeat(5_000),
      ]) {
        await refused(ground.open({ dataDir }), 'StoreFailed', 'InvalidRequest');
      }
      assert.equal(readFileSync(file, 'utf8'), 'a file');
    },
  },
];

const lostStore: readonly Attack[] = [
  [
    'has lost its database',
    (ground: Ground) => {
      renameSync(fileOf(ground), join(ground.folder, 'kept'));
    },
  ],
  [
    'has a database of 0 bytes',
    (ground: Ground) => {
      copyFileSync(fileOf(ground), join(ground.folder, 'kept'));
      truncateSync(fileOf(ground), 0);
    },
  ],
  [
    'has a database of zeros',
    (ground: Ground) => {
      const { size } = statSync(fileOf(ground));
      copyFileSync(fileOf(ground), join(ground.folder, 'kept'));
      truncateSync(fileOf(ground), 0);
      truncateSync(fileOf(ground), size);
    },
  ],
  [
    'has lost its store',
    (ground: Ground) => {
      copyFileSync(fileOf(ground), join(ground.folder, 'kept'));
      rmSync(join(ground.dataDir, 'store'), { recursive: true });
    },
  ],
].map(([name, lose]): Attack => ({
  opponent: 'directory',
  name: `${name as string} beside homes and a process`,
  play: async (ground) => {
    const { running, stopped, snapshot } = await filled(ground);
    const homes = join(ground.dataDir, 'instances');
    const before = [
      treeOf(join(ground.homeOf({ id: stopped }), 'work')),
      treeOf(join(ground.dataDir, 'snapshots')),
    ];
    const kept = join(ground.folder, 'kept');
    (lose as (ground: Ground) => void)(ground);
    const error = await refused(ground.open(), 'StoreFailed', 'InvalidRequest');
    assert.ok(error.message.includes(ground.dataDir), `it does not name the directory: ${error.message}`);
    assert.deepEqual(
      [treeOf(join(ground.homeOf({ id: stopped }), 'work')), treeOf(join(ground.dataDir, 'snapshots'))],
      before,
      'something was touched',
    );
    assert.deepEqual(readdirSync(homes).toSorted(), [running, stopped].toSorted());
    // The database is brought back, and all is as it was.
    mkdirSync(join(ground.dataDir, 'store'), { recursive: true, mode: 0o700 });
    copyFileSync(kept, fileOf(ground));
    chmodSync(fileOf(ground), 0o600);
    const next = await ground.open();
    assert.equal((await value(next.get('web'))).state, 'Running');
    await value(next.forkSnapshot(snapshot, { name: 'copy', targetState: 'Stopped' }));
  },
}));

const older: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'has a copy of its store from before, beside homes and a process of later',
    play: async (ground) => {
      const { stopped, snapshot } = await filled(ground);
      await ground.close();
      const kept = join(ground.folder, 'kept');
      copyFileSync(fileOf(ground), kept);
      const manager = await ground.open();
      const later = await value(
        manager.create({
          name: 'later',
          image: 'scratch',
          entrypoint: ['sleep', '30'],
          env: { A: ground.folder },
        }),
      );
      const taken = await value(manager.createSnapshot(stopped, { kind: 'Stopped' }));
      await ground.close();
      rmSync(fileOf(ground));
      copyFileSync(kept, fileOf(ground));
      chmodSync(fileOf(ground), 0o600);
      const before = treeOf(join(ground.homeOf(later), 'work'));
      const pid = Number(later.handle?.pid);
      // A later opening does not know any more that it is a copy.
      for (let opened = 0; opened < 2; opened += 1) {
        const next = await ground.open();
        assert.equal((await value(next.list())).length, 2);
        await ground.close();
        assert.deepEqual(treeOf(join(ground.homeOf(later), 'work')), before, 'a home was touched');
        assert.ok(processesNaming(ground.folder).includes(pid), 'a process of it was ended');
        assert.deepEqual(
          readdirSync(join(ground.dataDir, 'snapshots')).toSorted(),
          [snapshot, taken.id].toSorted(),
        );
      }
      kill(pid);
    },
  },
];

const forgedIds = [
  '../outside',
  '../../outside',
  '/etc',
  '.',
  '..',
  '',
  'prod',
  'x'.repeat(23),
  'X'.repeat(24),
  `${'x'.repeat(23)}/`,
  `${'x'.repeat(20)}/../.`,
];

const forgedRecords: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'holds records of instances whose ids are paths',
    play: async (ground) => {
      const { outside } = ground;
      const { stopped } = await filled(ground);
      const prod = join(ground.dataDir, 'instances', 'prod');
      const before = lay(prod);
      await plant(ground, 'Instance', stopped, (record) =>
        Object.fromEntries(
          forgedIds.map((id, index) => [id, { ...record, id, name: `forged-${String(index)}` }]),
        ),
      );
      const manager = await ground.open();
      const listed = await value(manager.list());
      assert.deepEqual(listed.map(({ name }) => name).toSorted(), ['old', 'web']);
      assert.ok(
        ground.told.some((line) => line.startsWith('warn')),
        'nobody was told',
      );
      for (const { id } of listed) await value(manager.delete(id));
      assert.deepEqual(treeOf(prod), before, 'a folder of others was touched');
      outside.isUntouched();
    },
  },
  {
    opponent: 'directory',
    name: 'holds records of instances whose ids are not their keys',
    play: async (ground) => {
      const { outside } = ground;
      const { stopped, running } = await filled(ground);
      await plant(ground, 'Instance', stopped, (record) => ({
        [createId()]: { ...record, id: '../../outside', name: 'one' },
        [createId()]: { ...record, id: running, name: 'two' },
        [createId()]: { ...record, id: createId(), name: 'three' },
      }));
      const manager = await ground.open();
      assert.deepEqual((await value(manager.list())).map(({ name }) => name).toSorted(), ['old', 'web']);
      assert.equal((await value(manager.get('web'))).state, 'Running');
      outside.isUntouched();
    },
  },
  {
    opponent: 'directory',
    name: 'holds records of snapshots whose ids are paths, or not their keys',
    play: async (ground) => {
      const { outside } = ground;
      const { snapshot } = await filled(ground);
      const prod = join(ground.dataDir, 'snapshots', 'prod');
      const before = lay(prod);
      await plant(ground, 'Snapshot', snapshot, (record) => ({
        ...Object.fromEntries(forgedIds.map((id) => [id, { ...record, id }])),
        [createId()]: { ...record, id: '../../outside' },
      }));
      const manager = await ground.open();
      const listed = await value(manager.listSnapshots());
      assert.deepEqual(
        listed.map(({ id }) => id),
        [snapshot],
      );
      for (const id of ['../outside', '../../outside', 'prod']) {
        await refused(value(manager.deleteSnapshot(id)), 'SnapshotNotFound', 'InvalidRequest');
      }
      assert.deepEqual(treeOf(prod), before, 'a folder of others was touched');
      outside.isUntouched();
    },
  },
  ...[false, true].map((isLikeOurs): Attack => ({
    opponent: 'directory',
    name: `holds the handle of a process of others${isLikeOurs ? ', which has the environment of the instance' : ''}`,
    play: async (ground) => {
      const { stopped, running } = await filled(ground);
      const stranger = ground.stranger(isLikeOurs ? { INSTANCE_ID: stopped, INSTANCE_NAME: 'old' } : {});
      await plant(ground, 'Instance', running, (record) => ({
        [stopped]: {
          ...record,
          id: stopped,
          name: 'old',
          handle: {
            ...(record['handle'] as object),
            pid: stranger.pid,
            startTime: stranger.startTime,
            home: String(statSync(ground.homeOf({ id: stopped })).ino),
          },
        },
      }));
      const manager = await ground.open();
      stranger.lives();
      await tried(value(manager.refresh('old')));
      await tried(value(manager.standby('old')));
      stranger.lives();
      await tried(value(manager.stop('old')));
      await tried(value(manager.delete('old')));
      stranger.lives();
    },
  })),
  {
    opponent: 'directory',
    name: 'holds records that make no sense',
    play: async (ground) => {
      const { stopped } = await filled(ground);
      const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
      await plant(ground, 'Instance', stopped, (record) => {
        const spec = record['spec'] as Fields;
        const odd: readonly unknown[] = [
          { ...record, state: 'Running', handle: {} },
          { ...record, state: 'Running', handle: { pid: -1 } },
          { ...record, state: 'Running', handle: { pid: 1 } },
          { ...record, state: 'Initializing' },
          { ...record, revision: -1 },
          { ...record, revision: 1e300 },
          { ...record, createdAt: 'yesterday' },
          { ...record, name: 'x'.repeat(1_000_000) },
          { ...record, name: '../outside' },
          { ...record, spec: { ...spec, entrypoint: 5 } },
          { ...record, spec: { ...spec, env: { A: '\0' } } },
          { ...record, spec: { ...spec, readiness: { kind: 'log', pattern: '(' } } },
          { ...record, spec: { ...spec, readiness: { kind: 'log', pattern: '(?=x)y' } } },
          null,
          [],
          5,
          'null',
          '{"__proto__":{"id":"x"}}',
          deep(5_000),
        ];
        return Object.fromEntries(
          odd.map((each) => {
            const id = createId();
            const named =
              typeof each === 'object' && each !== null && !Array.isArray(each) ? { ...each, id } : each;
            return [id, named];
          }),
        );
      });
      const manager = await ground.open();
      assert.equal((await value(manager.get('web'))).state, 'Running');
      for (const { id } of await value(manager.list())) await tried(value(manager.delete(id)));
    },
  },
  {
    opponent: 'directory',
    name: 'holds a snapshot that was changed with its times put back',
    play: async (ground) => {
      const { snapshot } = await filled(ground);
      const manager = await ground.open();
      const file = join(ground.dataDir, 'snapshots', snapshot, 'work', 'file');
      // Once it was used it is known.
      await value(manager.forkSnapshot(snapshot, { name: 'before', targetState: 'Stopped' }));
      const { atime, mtime, mode, size } = statSync(file);
      chmodSync(file, 0o600);
      writeFileSync(file, 'x'.repeat(size));
      chmodSync(file, mode & 0o777);
      utimesSync(file, atime, mtime);
      await refused(value(manager.forkSnapshot(snapshot, { name: 'copy' })), 'SnapshotDamaged');
      await refused(value(manager.restoreSnapshot('old', snapshot)), 'SnapshotDamaged');
    },
  },
];

/** What may stand in the place of a file or folder of ours. */
const kinds: Readonly<Record<string, (place: string, ground: Ground) => void>> = {
  'a link to a file': (place, { outside }) => {
    symlinkSync(outside.file, place);
  },
  'a link to a folder': (place, { outside }) => {
    symlinkSync(outside.folder, place);
  },
  'a link to nothing': (place, { outside }) => {
    symlinkSync(outside.nothing, place);
  },
  'a pipe': (place) => {
    execFileSync('mkfifo', [place]);
  },
  'a folder': (place) => {
    mkdirSync(place);
  },
  'a file': (place) => {
    writeFileSync(place, 'a file');
  },
};

/** Of each place a pipe, and a link to what it should be. */
const isTypical = (place: string, kind: string): boolean =>
  kind === 'a pipe' || kind === (place.includes('.') ? 'a link to a file' : 'a link to a folder');

const inPlaceOfOurs = [
  'store',
  'store/data.mdb',
  'store/data.mdb-lock',
  'lock',
  'instances',
  'snapshots',
  ownMark,
].flatMap((place) =>
  Object.entries(kinds).map(([kind, put]): Attack => ({
    opponent: 'directory',
    name: `has ${kind} in the place of ${place}`,
    isLong: !isTypical(place, kind),
    play: async (ground) => {
      const { outside } = ground;
      await (await ground.open()).close();
      const path = join(ground.dataDir, place);
      rmSync(path, { recursive: true, force: true });
      put(path, ground);
      const { value: manager } = await tried(ground.open());
      if (manager !== undefined) {
        await tried(value(manager.create({ name: 'web', image: 'scratch', entrypoint: ['true'] })));
      }
      await ground.close();
      outside.isUntouched();
    },
  })),
);

const sizes: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'has a database of a TiB, which is a hole',
    play: async (ground) => {
      await filled(ground);
      truncateSync(fileOf(ground), 2 ** 40);
      const { value: manager } = await tried(ground.open());
      if (manager !== undefined) assert.equal((await value(manager.get('web'))).state, 'Running');
    },
  },
  {
    opponent: 'directory',
    name: 'has a log with a hole of a TiB, and parts of it with numbers that are too large',
    play: async (ground) => {
      const { running, stopped } = await filled(ground);
      for (const id of [running, stopped]) {
        const logs = join(ground.homeOf({ id }), 'logs');
        for (const file of ['app.log', 'app.cri.log']) writeFileSync(join(logs, file), '', { flag: 'a' });
        for (const file of ['app.log', 'app.cri.log']) truncateSync(join(logs, file), 2 ** 40);
        for (const part of [
          '0-99999999999999999999',
          '5-1',
          '0-0',
          '1-2',
          '9007199254740993-9007199254740994',
        ]) {
          writeFileSync(join(logs, `app.log.${part}`), 'a part\n');
          writeFileSync(join(logs, `app.cri.log.${part}`), 'a part\n');
        }
      }
      const manager = await ground.open();
      for (const name of ['web', 'old']) {
        await tried(value(manager.logs(name, { tail: 1_000 })).catch(none));
        await tried(value(manager.start(name)));
      }
      await tried(value(manager.delete('web')));
    },
  },
];

/** A log may be empty. */
const none = (error: unknown): void => {
  if ((error as Error).name !== 'EmptyError') throw error;
};

const answers: Readonly<Record<string, (socket: Socket) => void>> = {
  'no words': (socket) => socket.end(),
  'words that are no JSON': (socket) => socket.end('{'),
  'JSON that is no holder': (socket) => socket.end('{"pid":"one"}'),
  'numbers that are none': (socket) => socket.end('{"pid":-1.5,"host":"x","since":1e300}'),
  'a name with control characters': (socket) =>
    socket.end(JSON.stringify({ pid: 5, host: '\u001b]0;x\u0007\n'.repeat(50), since: 0 })),
  'a name of a MiB': (socket) => socket.end(JSON.stringify({ pid: 5, host: 'x'.repeat(2 ** 20), since: 0 })),
  'JSON that is deep': (socket) => socket.end('['.repeat(200_000)),
  'words without an end': (socket) => {
    const more = (): void => {
      while (socket.writable && socket.write('x'.repeat(65_536)));
    };
    socket.on('drain', more);
    more();
  },
  'words that come one by one': (socket) => {
    const more = setInterval(() => socket.write(' '), 100);
    socket.on('close', () => {
      clearInterval(more);
    });
  },
};

const holders: readonly Attack[] = [
  ...Object.entries(answers).map(([what, answer]): Attack => ({
    opponent: 'directory',
    name: `has a lock whose holder answers with ${what}`,
    play: async (ground) => {
      await (await ground.open()).close();
      const sockets = new Set<Socket>();
      const server: Server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        answer(socket);
      });
      server.listen(join(ground.dataDir, 'lock', '999'));
      await once(server, 'listening');
      try {
        const opening = tried(ground.open());
        const { error } = await opening;
        assert.ok(error !== undefined, 'it was opened');
        assert.ok(error.message.length < 2_000, `the message has ${String(error.message.length)} characters`);
        assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f]/, 'the message has control characters');
      } finally {
        for (const socket of sockets) socket.destroy();
        server.close();
      }
    },
  })),
  {
    opponent: 'directory',
    name: 'has locks that are no sockets, with numbers without end',
    play: async (ground) => {
      const { outside } = ground;
      await (await ground.open()).close();
      const lock = join(ground.dataDir, 'lock');
      const makers: readonly ((path: string) => void)[] = [
        (path) => {
          writeFileSync(path, 'a file');
        },
        (path) => {
          mkdirSync(path);
        },
        (path) => {
          execFileSync('mkfifo', [path]);
        },
        (path) => {
          symlinkSync(outside.file, path);
        },
        (path) => {
          symlinkSync(outside.nothing, path);
        },
      ];
      for (const number of ['7', '999999999999999', '9'.repeat(200)]) {
        for (const make of makers) {
          const path = join(lock, number);
          make(path);
          await tried(ground.open());
          await ground.close();
          rmSync(path, { recursive: true, force: true });
        }
      }
      outside.isUntouched();
    },
  },
  {
    opponent: 'directory',
    name: 'has ten thousand locks',
    isLong: true,
    play: async (ground) => {
      await (await ground.open()).close();
      for (let number = 100; number < 10_100; number += 1) {
        writeFileSync(join(ground.dataDir, 'lock', String(number)), '');
      }
      await tried(ground.open());
    },
  },
];

const copies: readonly Attack[] = [
  {
    opponent: 'directory',
    name: 'is a copy of one whose processes run',
    play: async (ground) => {
      const { running } = await filled(ground);
      const copy = join(ground.folder, 'copy');
      // Node copies no pipes.
      const filter = (path: string): boolean => !path.includes('/lock/') && !lstatSync(path).isFIFO();
      cpSync(ground.dataDir, copy, { recursive: true, filter });
      chmodSync(copy, 0o700);
      const manager = await ground.open({ dataDir: copy });
      await tried(value(manager.stop('web')));
      await tried(value(manager.delete('web')));
      const own = await ground.open();
      assert.equal((await value(own.get(running))).state, 'Running');
      assert.ok(existsSync(ground.homeOf({ id: running })));
    },
  },
];

/** Attacks by a data directory that is damaged, or somebody else's. */
export const byDirectory: readonly Attack[] = [
  ...foreign,
  ...lostStore,
  ...older,
  ...forgedRecords,
  ...inPlaceOfOurs,
  ...sizes,
  ...holders,
  ...copies,
];
