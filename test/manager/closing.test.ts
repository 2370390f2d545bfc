import * as t from 'io-ts';
import { firstValueFrom, type Observable, of } from 'rxjs';
import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';

/** What tells, and asks for nothing. */
const streams = [
  'events',
  'consume',
  'iterate',
  'watch',
  'closing$',
  'stats',
  'doorStats',
  'measurements$',
  'close',
];

const request = { image: 'any' };

const verbs: Partial<Record<keyof InstanceManager, (manager: InstanceManager) => Observable<unknown>>> = {
  create: (manager) => manager.create({ ...request, name: 'new' }),
  run: (manager) => manager.run(request),
  get: (manager) => manager.get('web'),
  list: (manager) => manager.list(),
  update: (manager) => manager.update('web', { tags: {} }),
  start: (manager) => manager.start('web'),
  stop: (manager) => manager.stop('web'),
  standby: (manager) => manager.standby('web'),
  restore: (manager) => manager.restore('web'),
  restart: (manager) => manager.restart('web'),
  delete: (manager) => manager.delete('web'),
  refresh: (manager) => manager.refresh('web'),
  status: (manager) => manager.status('web'),
  endpoint: (manager) => manager.endpoint('web', 80),
  hold: (manager) => manager.hold('web'),
  fork: (manager) => manager.fork('web', { name: 'new' }),
  signal: (manager) => manager.signal('web', 'SIGHUP'),
  ensure: (manager) => manager.ensure({ ...request, name: 'web' }),
  exec: (manager) => manager.exec('web', { command: 'true' }),
  files: (manager) => manager.files('web').list(''),
  logs: (manager) => manager.logs('web'),
  waitForState: (manager) => manager.waitForState('web', 'Running'),
  createSnapshot: (manager) => manager.createSnapshot('web', { kind: 'Stopped', name: 'new' }),
  listSnapshots: (manager) => manager.listSnapshots(),
  getSnapshot: (manager) => manager.getSnapshot('any'),
  deleteSnapshot: (manager) => manager.deleteSnapshot('any'),
  forkSnapshot: (manager) => manager.forkSnapshot('any', { name: 'new' }),
  restoreSnapshot: (manager) => manager.restoreSnapshot('web', 'any'),
  table: (manager) => manager.table('closing', t.string).get('any'),
};

describe('a manager that closes', () => {
  let manager: InstanceManager;
  let closed: Promise<void> | undefined;

  beforeEach(async () => {
    closed = undefined;
    manager = await openManager({ drivers: [createMemoryDriver({ stopMs: 1 })] });
    await firstValueFrom(manager.create({ ...request, name: 'web' }));
  });

  afterEach(() => closed);

  it.each(Object.entries(verbs))('fails %s with ManagerClosed, and so once it is closed', async (_, call) => {
    const before$ = call(manager);
    closed = manager.close();
    const failed = { _tag: 'ManagerClosed' };
    await expect(firstValueFrom(call(manager))).rejects.toMatchObject(failed);
    await expect(firstValueFrom(before$)).rejects.toMatchObject(failed);
    await closed;
    await expect(firstValueFrom(call(manager))).rejects.toMatchObject(failed);
  });

  it('closes at the end of its block with await using, also where that throws', async () => {
    const driver = createMemoryDriver();
    let left: InstanceManager | undefined;
    const block = async (): Promise<never> => {
      await using manager = await openManager({ drivers: [driver] });
      left = manager;
      await firstValueFrom(manager.create({ ...request, name: 'web' }));
      throw new Error('of the block');
    };
    await expect(block()).rejects.toThrow('of the block');
    await expect(firstValueFrom(left?.list() ?? of())).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    expect([driver.running(), driver.homes()]).toEqual([[], []]);
    closed = manager.close();
  });

  it('is closed once: at the end of its block it stays as it was closed', async () => {
    closed = manager.close({ stopInstances: false });
    expect(manager[Symbol.asyncDispose]()).toBe(closed);
    await closed;
  });

  it('has no verb beside these', () => {
    closed = manager.close();
    expect([...Object.keys(verbs), ...streams].sort()).toEqual(Object.keys(manager).sort());
  });
});
