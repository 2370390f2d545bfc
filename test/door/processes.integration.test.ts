import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { type Compiled, compile } from '../support/compiled.js';
import { Client, comes, server } from './doorStage.js';

const program = "require('node:net').createServer((s) => s.pipe(s)).listen(process.env.PORT, '127.0.0.1')";

let compiled: Compiled;

beforeAll(() => {
  compiled = compile('test/door', 'test/support');
});
afterAll(() => {
  compiled.remove();
});

describe('a front door before a process', () => {
  it('keeps its connections over a standby, wakes it for what comes by them, and for new ones', async () => {
    const manager = await openManager({ drivers: [createProcessDriver()] });
    const causes: unknown[] = [];
    const hearing = manager.events('test').subscribe(({ action, cause }) => {
      if (action === 'restore') causes.push(cause);
    });
    const entrypoint = [process.execPath, '-e', program];
    const [ports, readiness] = [[{ guest: 80 }], { kind: 'tcp', port: 80 } as const];
    await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint, ports, readiness }));
    const { port } = await firstValueFrom(manager.endpoint('web', 80));

    const early = new Client(port);
    early.socket.write('early');
    expect(await early.hears('early')).toBe('early');
    await firstValueFrom(manager.standby('web'));
    expect(early.end).toBe(undefined);
    early.socket.write(' and late');
    expect(await early.hears('early and late')).toBe('early and late');

    await firstValueFrom(manager.standby('web'));
    const late = new Client(port);
    late.socket.write('hello');
    expect(await late.hears('hello')).toBe('hello');

    // While it is being written down, and before that is told.
    const standby = firstValueFrom(manager.standby('web'));
    const meanwhile = new Client(port);
    meanwhile.socket.write('hello');
    await standby;
    expect(await meanwhile.hears('hello')).toBe('hello');
    await comes(() => causes.length >= 2);
    expect(causes.slice(0, 2)).toStrictEqual([
      { by: 'front_door', reason: 'connection' },
      { by: 'front_door', reason: 'connection' },
    ]);

    await firstValueFrom(manager.delete('web'));
    // The kernel ended them first, as it does for any process that is killed.
    const ends = await Promise.all([early, late, meanwhile].map((client) => client.ended()));
    for (const { socket } of [early, late, meanwhile]) socket.destroy();
    hearing.unsubscribe();
    await manager.close();
    expect(ends).not.toContain(undefined);
  });

  it('answers requests with a process that is on standby, or stopped where its port says so', async () => {
    const manager = await openManager({ drivers: [createProcessDriver()] });
    await firstValueFrom(manager.create(server));
    const { port } = await firstValueFrom(manager.endpoint('web', 80));
    for (const verb of ['standby', 'stop'] as const) {
      await firstValueFrom(manager.waitForState('web', 'Running'));
      await firstValueFrom(manager[verb]('web'));
      expect(await page(port)).toBe('hello');
    }
    await manager.close();
  });

  it.each(['Running', 'Standby'])(
    'has the same address after its manager was killed, and the process that was %s answers',
    async (state) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'door-'));
      const child = spawn(process.execPath, [compiled.pathOf('test/door/doorChild.ts'), dataDir, state], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [told] = (await once(child.stdout, 'data')) as [Buffer];
      child.kill('SIGKILL');
      await once(child, 'close');

      const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
      const { pid } = (await firstValueFrom(manager.get('web'))).handle ?? {};
      const { port } = await firstValueFrom(manager.endpoint('web', 80));
      expect(String(port)).toBe(String(told));
      expect(await page(port)).toBe('hello');
      expect((await firstValueFrom(manager.get('web'))).handle?.pid).toBe(pid);
      await manager.close({ stopInstances: true });
      rmSync(dataDir, { recursive: true });
    },
  );
});

/** Asks for a page as `curl` does: by a connection of its own, which is gone then. */
async function page(port: number): Promise<string> {
  const asked = get({ host: '127.0.0.1', port, agent: false });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const closed = once(answer.socket, 'close');
  const told = await text(answer);
  await closed;
  return told;
}
