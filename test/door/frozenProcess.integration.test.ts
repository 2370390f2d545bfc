import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { Client, comes } from './doorStage.js';

const program = "require('node:net').createServer((s) => s.pipe(s)).listen(process.env.PORT, '127.0.0.1')";

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
});
