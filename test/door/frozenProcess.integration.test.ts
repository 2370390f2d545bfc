import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { firstValueFrom, of } from 'rxjs';
import { createFrontDoor } from '../../src/door/frontDoor.js';
import { createProcessDriver } from '../../src/drivers/process/processDriver.js';
import { openManager } from '../../src/manager/instanceManager.js';
import { Client, comes } from './doorStage.js';

const program = (port: number): string =>
  `require('node:net').createServer((s) => s.pipe(s)).listen(${String(port)}, '127.0.0.1')`;

describe('a front door before a process', () => {
  it('keeps its connections over a standby, wakes it for what comes by them, and for new ones', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    taken.close();
    await once(taken, 'close');
    const manager = await openManager({ drivers: [createProcessDriver()] });
    const addressOf = () => of({ host: '127.0.0.1', port });
    const door = createFrontDoor({ ...manager, portsOf: () => [{ guest: 80 }], addressOf });
    const causes: unknown[] = [];
    const hearing = manager.events('test').subscribe(({ action, cause }) => {
      if (action === 'restore') causes.push(cause);
    });
    const listening = firstValueFrom(door.status$);
    const entrypoint = [process.execPath, '-e', program(port)];
    await firstValueFrom(
      manager.create({ name: 'web', image: 'scratch', entrypoint, readiness: { kind: 'tcp', port } }),
    );
    const address = (await listening).address?.port ?? 0;

    const early = new Client(address);
    early.socket.write('early');
    expect(await early.hears('early')).toBe('early');
    await firstValueFrom(manager.standby('web'));
    expect(early.end).toBe(undefined);
    early.socket.write(' and late');
    expect(await early.hears('early and late')).toBe('early and late');

    await firstValueFrom(manager.standby('web'));
    const late = new Client(address);
    late.socket.write('hello');
    expect(await late.hears('hello')).toBe('hello');

    // While it is being written down, and before that is told.
    const standby = firstValueFrom(manager.standby('web'));
    const meanwhile = new Client(address);
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
    door.close();
    await manager.close();
    expect(ends).not.toContain(undefined);
  });
});
