import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, type Observable, throwError } from 'rxjs';
import {
  createProcessDriver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
  type Snapshot,
} from 'rx-instances';
import { openDataDir } from '../../src/store/openDataDir.js';
import { defaults, done, wholeLog } from '../store/changes.js';
import { type Compiled, compile } from '../support/compiled.js';
import { oneIn } from '../support/inShort.js';
import type { CutOff } from './cutOff.js';

let compiled: Compiled;
let dataDir: string;

beforeAll(() => {
  compiled = compile('test/manager', 'test/support');
});
afterAll(() => {
  compiled.remove();
});
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'asked-'));
});
afterEach(async () => {
  const manager = await open();
  await manager.close({ stopInstances: true });
  rmSync(dataDir, { recursive: true });
});

const open = (): Promise<InstanceManager> =>
  openManager({ dataDir, drivers: [createProcessDriver({ pollMs: 5 })] });

/** Resolves with the signal by which the manager was killed. */
const cutOff = (fields: Omit<CutOff, 'dataDir'>): Promise<unknown> =>
  new Promise((resolve) => {
    const told = JSON.stringify({ dataDir, ...fields });
    execFile('node', [compiled.pathOf('test/manager/cutOffChild.ts'), told], (error) => {
      resolve(error?.signal);
    });
  });

const sleeping = { image: 'scratch', entrypoint: ['sleep', '600'] };

const given = async (state: string): Promise<void> => {
  const manager = await open();
  await firstValueFrom(manager.create({ name: 'web', ...sleeping }));
  if (state !== 'Running' && state !== 'Standby') await firstValueFrom(manager.stop('web'));
  if (state === 'Standby') await firstValueFrom(manager.standby('web'));
  if (state === 'with a snapshot') await firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }));
  await manager.close();
};

const options = { requestId: 'asked' };

/** What the manager that was killed was asked for, as it was. */
const again = (manager: InstanceManager, verb: CutOff['verb'], snapshotId: string): Observable<unknown> => {
  switch (verb) {
    case 'open':
      throw new Error('nothing is asked for');
    case 'create':
      return manager.create({ name: 'new', ...sleeping }, options);
    case 'ensure':
      return manager.ensure(
        { name: 'web', ...sleeping, entrypoint: ['sleep', '601'] },
        { ...options, replace: true },
      );
    case 'fork':
      return manager.fork('web', { name: 'new', fromRunning: true }, options);
    case 'createSnapshot':
      return manager.createSnapshot('web', { kind: 'Stopped' }, options);
    case 'deleteSnapshot':
      return manager.deleteSnapshot(snapshotId, options);
    case 'restoreSnapshot':
      return manager.restoreSnapshot('web', snapshotId, { targetState: 'Running' }, options);
    case 'start':
      return manager.start('web', {}, options);
    default:
      return manager[verb]('web', options);
  }
};

const snapshotIdsIn = (manager: InstanceManager): Promise<readonly string[]> =>
  firstValueFrom(manager.listSnapshots()).then((snapshots) => snapshots.map(({ id }) => id));

const log = async (): Promise<readonly LifecycleEvent[]> => {
  const store = await openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });
  const events = await wholeLog(store);
  await done(store.close());
  return events;
};

/** Opens a manager, asks again, and tells the outcome and how many events came of that. */
const asked = async (
  verb: CutOff['verb'],
  snapshotId: string,
): Promise<{ readonly outcome: Instance | Snapshot; readonly events: number }> => {
  const manager = await open();
  let events = 0;
  manager.events('count').subscribe(() => (events += 1));
  const outcome = (await firstValueFrom(again(manager, verb, snapshotId))) as Instance | Snapshot;
  await manager.close();
  return { outcome, events };
};

/** The last action of each verb; of a snapshot nothing is told. */
const lastActions: Partial<Record<CutOff['verb'], string>> = {
  ensure: 'create',
  createSnapshot: 'create_snapshot',
  deleteSnapshot: 'delete_snapshot',
  restart: 'start',
  restoreSnapshot: 'restore',
};

describe('what was asked for by a request id is done once, though the manager was killed:', () => {
  const kills: readonly [CutOff['verb'], string, string, 'was done' | 'is done' | 'need not be done'][] = [
    ['create', 'Stopped', 'after launch', 'is done'],
    ['create', 'Stopped', 'after event create', 'was done'],
    ['create', 'Stopped', 'after outcome', 'was done'],
    ['ensure', 'Running', 'before kill', 'is done'],
    ['ensure', 'Running', 'after event delete', 'is done'],
    ['ensure', 'Running', 'after launch', 'is done'],
    ['ensure', 'Running', 'after event create', 'was done'],
    ['start', 'Stopped', 'after launch', 'is done'],
    ['start', 'Stopped', 'after event start', 'was done'],
    ['stop', 'Running', 'before stop', 'is done'],
    ['stop', 'Running', 'after stop', 'need not be done'],
    ['stop', 'Running', 'after event stop', 'was done'],
    ['standby', 'Running', 'after freeze', 'is done'],
    ['standby', 'Running', 'after event standby', 'was done'],
    ['restore', 'Standby', 'after thaw', 'is done'],
    ['restore', 'Standby', 'after event restore', 'was done'],
    ['restart', 'Running', 'before stop', 'is done'],
    ['restart', 'Running', 'after stop', 'was done'],
    ['restart', 'Running', 'after event stop', 'was done'],
    ['restart', 'Running', 'before launch', 'was done'],
    ['restart', 'Running', 'after launch', 'was done'],
    ['restart', 'Running', 'after event start', 'was done'],
    ['fork', 'Running', 'after event standby', 'is done'],
    ['fork', 'Running', 'after prepare', 'is done'],
    ['fork', 'Running', 'after event restore', 'is done'],
    ['fork', 'Running', 'after launch', 'is done'],
    ['fork', 'Running', 'after event fork', 'was done'],
    ['delete', 'Running', 'before kill', 'was done'],
    ['delete', 'Running', 'after kill', 'was done'],
    ['delete', 'Running', 'after discard', 'was done'],
    ['delete', 'Running', 'after event delete', 'was done'],
    ['delete', 'Stopped', 'after discard', 'was done'],
    ['createSnapshot', 'Stopped', 'after take', 'is done'],
    ['createSnapshot', 'Stopped', 'after seal', 'is done'],
    ['createSnapshot', 'Stopped', 'after outcome', 'was done'],
    ['deleteSnapshot', 'with a snapshot', 'before discard', 'was done'],
    ['deleteSnapshot', 'with a snapshot', 'after discard', 'was done'],
    ['restoreSnapshot', 'Stopped', 'after launch', 'is done'],
    ['restoreSnapshot', 'Stopped', 'after event restore', 'was done'],
  ];

  it.each(oneIn(3, kills))(
    '%s of what is %s, killed %s: it %s',
    async (verb, state, point, expected) => {
      await given(state);
      const before = await open();
      let [snapshotId = ''] = await snapshotIdsIn(before);
      await before.close();
      await expect(cutOff({ verb, point, ...options })).resolves.toBe('SIGKILL');
      if (verb === 'restoreSnapshot') {
        const manager = await open();
        [snapshotId = ''] = await snapshotIdsIn(manager);
        await manager.close();
      }
      const first = await asked(verb, snapshotId);
      expect(first.events > 0).toBe(expected === 'is done');
      const second = await asked(verb, snapshotId);
      expect(second).toEqual({ outcome: first.outcome, events: 0 });

      const conclusions = (await log()).filter(
        ({ action, cause }) =>
          action === (lastActions[verb] ?? verb) && cause.requestId === options.requestId,
      );
      // The source of a fork goes on by the same request: that is another action.
      expect(conclusions).toHaveLength(expected !== 'need not be done' ? 1 : 0);
      const manager = await open();
      const snapshots = await snapshotIdsIn(manager);
      const others = await firstValueFrom(manager.list());
      await manager.close();
      if (verb === 'createSnapshot') expect(snapshots).toEqual([first.outcome.id]);
      if (verb === 'deleteSnapshot') expect(snapshots).toEqual([]);
      expect(others.filter(({ name }) => name === 'new')).toHaveLength(
        verb === 'create' || verb === 'fork' ? 1 : 0,
      );
    },
    60_000,
  );
});

it('what the next manager finishes of a request is remembered also when it fails', async () => {
  await given('Running');
  await expect(cutOff({ verb: 'restart', point: 'after event stop', ...options })).resolves.toBe('SIGKILL');
  const refusing = createProcessDriver({ pollMs: 5 });
  const manager = await openManager({
    dataDir,
    drivers: [{ ...refusing, launch: () => throwError(() => new Error('no program')) }],
  });
  await expect(firstValueFrom(manager.restart('web', options))).rejects.toMatchObject({
    _tag: 'LaunchFailed',
  });
  await manager.close();
  const next = await open();
  await expect(firstValueFrom(next.restart('web', options))).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  await expect(firstValueFrom(next.get('web'))).resolves.toMatchObject({ state: 'Stopped' });
  await expect(firstValueFrom(next.restart('web'))).resolves.toMatchObject({ state: 'Running' });
  await next.close();
});
