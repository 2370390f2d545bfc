import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createProcessDriver, type Instance, type InstanceManager, openManager } from 'rx-instances';
import { type Compiled, compile } from '../support/compiled.js';
import { oneIn } from '../support/inShort.js';
import { kernelViewOf, processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
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
  dataDir = mkdtempSync(join(tmpdir(), 'cut-'));
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
  new Promise((done) => {
    const told = JSON.stringify({ dataDir, ...fields });
    execFile('node', [compiled.pathOf('test/manager/cutOffChild.ts'), told], (error) => {
      done(error?.signal);
    });
  });

const given = async (state: string): Promise<Instance> => {
  const manager = await open();
  const instance = await firstValueFrom(
    manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );
  if (state === 'Stopped') await firstValueFrom(manager.stop('web'));
  if (state === 'Standby') await firstValueFrom(manager.standby('web'));
  await manager.close();
  return instance;
};

/** Each instance with its state and what the kernel says of its process. */
const found = async (): Promise<readonly string[]> => {
  const manager = await open();
  const instances = await firstValueFrom(manager.list());
  await manager.close();
  expect(readdirSync(join(dataDir, 'instances')).sort()).toEqual(instances.map(({ id }) => id).sort());
  return instances.map(({ id, name, state, handle }) => {
    const pids = processesOf(id);
    expect(pids).toEqual(handle?.pid === undefined ? [] : [handle.pid]);
    const view = handle?.pid === undefined ? undefined : kernelViewOf(handle.pid);
    return [name, state, ...(view === undefined ? [] : [view.state === 'T' ? 'halted' : 'going'])].join(' ');
  });
};

const running = 'web Running going';
const standby = 'web Standby halted';
const stopped = 'web Stopped';
const fork = 'new Running going';

describe('a manager that is killed leaves a state that the next one finishes or undoes:', () => {
  const kills: readonly [CutOff['verb'], string, string, ...string[]][] = [
    ['create', 'Stopped', 'before prepare', stopped],
    ['create', 'Stopped', 'after prepare', stopped],
    ['create', 'Stopped', 'before launch', stopped],
    ['create', 'Stopped', 'after launch', stopped],
    ['create', 'Stopped', 'after event create', stopped, fork],
    ['start', 'Stopped', 'before launch', stopped],
    ['start', 'Stopped', 'after launch', stopped],
    ['start', 'Stopped', 'after event start', running],
    ['stop', 'Running', 'before stop', running],
    ['stop', 'Running', 'after stop', stopped],
    ['stop', 'Running', 'after event stop', stopped],
    ['standby', 'Running', 'before freeze', running],
    ['standby', 'Running', 'after freeze', running],
    ['standby', 'Running', 'after event standby', standby],
    ['restore', 'Standby', 'before thaw', standby],
    ['restore', 'Standby', 'after thaw', standby],
    ['restore', 'Standby', 'after event restore', running],
    ['restart', 'Running', 'before stop', running],
    ['restart', 'Running', 'after stop', running],
    ['restart', 'Running', 'after event stop', running],
    ['restart', 'Running', 'before launch', running],
    ['restart', 'Running', 'after launch', running],
    ['restart', 'Running', 'after event start', running],
    ['fork', 'Running', 'before freeze', running],
    ['fork', 'Running', 'after freeze', running],
    ['fork', 'Running', 'after event standby', running],
    ['fork', 'Running', 'before prepare', running],
    ['fork', 'Running', 'after prepare', running],
    ['fork', 'Running', 'after thaw', running],
    ['fork', 'Running', 'after event restore', running],
    ['fork', 'Running', 'after launch', running],
    ['fork', 'Running', 'after event fork', running, fork],
    ['fork', 'Standby', 'after launch', standby],
    ['fork', 'Standby', 'after freeze', standby],
    ['restoreSnapshot', 'Stopped', 'before launch', stopped],
    ['restoreSnapshot', 'Stopped', 'after launch', stopped],
    ['restoreSnapshot', 'Stopped', 'after event restore', running],
    ['delete', 'Running', 'before kill'],
    ['delete', 'Running', 'after kill'],
    ['delete', 'Running', 'before discard'],
    ['delete', 'Running', 'after discard'],
    ['delete', 'Running', 'after event delete'],
    ['delete', 'Standby', 'after kill'],
    ['delete', 'Stopped', 'after discard'],
  ];

  it.each(oneIn(3, kills))(
    '%s of what is %s, killed %s',
    async (verb, state, point, ...expected) => {
      await given(state);
      await expect(cutOff({ verb, point })).resolves.toBe('SIGKILL');
      await expect(found()).resolves.toEqual(expected);
      // Nothing is done twice.
      await expect(found()).resolves.toEqual(expected);
    },
    60_000,
  );
});

describe('a manager that is killed while it opens is followed by one that opens:', () => {
  const kills: readonly [CutOff['verb'], string, string, string, ...string[]][] = [
    ['create', 'Stopped', 'after launch', 'before reclaim', stopped],
    ['create', 'Stopped', 'after launch', 'after reclaim', stopped],
    ['create', 'Stopped', 'after launch', 'after discard', stopped],
    ['standby', 'Running', 'after freeze', 'before thaw', running],
    ['standby', 'Running', 'after freeze', 'after thaw', running],
    ['restore', 'Standby', 'after thaw', 'after freeze', standby],
    ['restart', 'Running', 'after event stop', 'after launch', running],
    ['restart', 'Running', 'after stop', 'before launch', running],
    ['fork', 'Running', 'after event standby', 'after thaw', running],
    ['delete', 'Running', 'before kill', 'after kill'],
    ['delete', 'Running', 'after kill', 'after discard'],
    ['stop', 'Running', 'before stop', 'after adopt', running],
  ];

  it.each(oneIn(3, kills))(
    '%s of what is %s, killed %s, then %s',
    async (verb, state, point, then, ...expected) => {
      await given(state);
      await expect(cutOff({ verb, point })).resolves.toBe('SIGKILL');
      await expect(cutOff({ verb: 'open', point: then })).resolves.toBe('SIGKILL');
      await expect(found()).resolves.toEqual(expected);
    },
    60_000,
  );
});

it('tells how what was killed with a verb has ended', async () => {
  await given('Running');
  await cutOff({ verb: 'stop', point: 'after stop' });
  const manager = await open();
  const { exit } = await firstValueFrom(manager.get('web'));
  await manager.close();
  expect(exit).toEqual({ code: null, signal: 'SIGTERM' });
});

it('tells how an instance has ended that was killed while nobody was there', async () => {
  const { id, handle } = await given('Running');
  process.kill(handle?.pid as number, 'SIGINT');
  await until(
    () => processesOf(id),
    (pids) => pids.length === 0,
  );
  const manager = await open();
  await expect(firstValueFrom(manager.get('web'))).resolves.toMatchObject({
    state: 'Stopped',
    revision: 2,
    exit: { code: null, signal: 'SIGINT' },
  });
  await manager.close();
});
