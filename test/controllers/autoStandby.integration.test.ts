import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { firstValueFrom } from 'rxjs';
import { createProcessDriver, type LifecycleEvent, openManager } from 'rx-instances';
import { Client, comes } from '../door/doorStage.js';
import { compile } from '../support/compiled.js';

jest.setTimeout(60_000);

it('a process behind the front door is put on standby once its last client has gone, and woken by the next', async () => {
  const program = `require('node:net').createServer((s) => s.pipe(s)).listen(process.env.PORT, '127.0.0.1')`;
  const idleTimeoutMs = 200;
  const manager = await openManager({ drivers: [createProcessDriver()] });
  const events: LifecycleEvent[] = [];
  const listening = manager.events('test').subscribe((event) => events.push(event));
  await firstValueFrom(
    manager.create({
      ...{ name: 'web', image: 'scratch', entrypoint: [process.execPath, '-e', program] },
      ...{ ports: [{ guest: 80 }], autoStandby: { enabled: true, idleTimeoutMs } },
      readiness: { kind: 'tcp', port: 80 },
    }),
  );
  const { port } = await firstValueFrom(manager.endpoint('web', 80));
  const standbys = (): readonly LifecycleEvent[] => events.filter(({ action }) => action === 'standby');
  const state = async (): Promise<string> => (await firstValueFrom(manager.get('web'))).state;
  expect(await comes(() => standbys().length === 1)).toBe(true);

  const client = new Client(port);
  client.socket.write('good morning');
  expect(await client.hears('good morning')).toBe('good morning');
  const heardAt = Date.now();
  await comes(() => Date.now() > heardAt + 3 * idleTimeoutMs);
  expect(await state()).toBe('Running');
  expect(standbys()).toHaveLength(1);

  client.socket.end();
  expect(await client.ended()).toBe('fin');
  expect(await comes(() => standbys().length === 2)).toBe(true);
  const next = new Client(port);
  next.socket.write('good evening');
  expect(await next.hears('good evening')).toBe('good evening');
  expect(events.map(({ action, cause: { by } }) => `${action} by ${by}`)).toEqual([
    'create by caller',
    'ready by machine',
    'standby by auto_standby',
    'restore by front_door',
    'standby by auto_standby',
    'restore by front_door',
  ]);
  next.socket.destroy();
  listening.unsubscribe();
  await manager.close({ stopInstances: true });
});

it.each([
  ['reached directly', 'no door'],
  ['reached by the front door', 'door'],
])(
  'a process that is %s is put on standby after the last connection of a client that the kernel tracks, however often it is asked for its health',
  async (_, door) => {
    const compiled = compile('test/controllers');
    try {
      const child = compiled.pathOf('test/controllers/conntrack/standbyChild.ts');
      const inOwn = process.geteuid?.() === 0 ? '-n' : '-rn';
      // Not all have the tools of the superuser there.
      const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
      const { stdout } = await promisify(execFile)('unshare', [inOwn, process.execPath, child, door], {
        env,
      });
      const steps = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(steps).toEqual([
        // The connection of the door to the machine, and those of the health check, are none of a client.
        ['used for long', 'active', 1, 'Running'],
        ['left', { by: 'auto_standby', reason: 'idle' }],
      ]);
    } finally {
      compiled.remove();
    }
  },
);
