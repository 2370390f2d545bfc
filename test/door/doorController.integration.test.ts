import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceManager, type LifecycleEvent, type ManagerOptions, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, type Observable } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { until } from '../support/until.js';
import { Client, comes, FakeMachine } from './doorStage.js';
import { freePort } from '../support/freePort.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let machine: FakeMachine;
let driver: MemoryDriver;
let manager: InstanceManager;
let clients: Client[];
let told: LifecycleEvent[];

/** A manager of machines all of which listen where the fake one does. */
async function open(options: Partial<ManagerOptions> = {}): Promise<void> {
  manager = await openManager({ drivers: [driver], ...options });
  manager.events('test').subscribe((event) => told.push(event));
}

const create = (ports: readonly object[] = [{ guest: 80 }]): Promise<unknown> =>
  value(manager.create({ name: 'web', image: 'any', ports: ports as [] }));

const portOf = async (): Promise<number> => (await value(manager.endpoint('web', 80))).port;

async function connected(): Promise<Client> {
  const client = new Client(await portOf());
  clients.push(client);
  client.socket.write('hello');
  return client;
}

beforeEach(async () => {
  [clients, told] = [[], []];
  machine = new FakeMachine();
  const { port } = await machine.listen();
  driver = createMemoryDriver({ portOf: () => port });
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await manager.close({ stopInstances: true });
  machine.end();
});

describe('the front door of a manager', () => {
  it('listens for the ports of instances, at an address that stays the same over all verbs', async () => {
    await open();
    await create();
    const endpoint = await value(manager.endpoint('web', 80));
    expect(endpoint.port).not.toBe((machine.server.address() as AddressInfo).port);
    expect(await (await connected()).hears('hello')).toBe('hello');
    for (const verb of ['standby', 'restore', 'restart', 'stop', 'start'] as const) {
      await value(manager[verb]('web'));
      await expect(value(manager.endpoint('web', 80))).resolves.toStrictEqual(endpoint);
    }
    await expect(value(manager.status('web'))).resolves.toStrictEqual({
      frontDoor: [{ guest: 80, state: 'listening', address: endpoint }],
    });
  });

  it('listens for nobody who has no ports', async () => {
    await open();
    await value(manager.create({ name: 'bare', image: 'any' }));
    await create();
    await portOf();
    expect(manager.doorStats?.()).toMatchObject({ listening: 1 });
    await expect(value(manager.status('bare'))).resolves.toStrictEqual({});
  });

  it('restores an instance on Standby for a client, with the cause', async () => {
    await open();
    await create();
    await value(manager.standby('web'));
    expect(await (await connected()).hears('hello')).toBe('hello');
    await comes(() => told.at(-1)?.action === 'restore');
    expect(told.at(-1)?.cause).toStrictEqual({ by: 'front_door', reason: 'connection' });
  });

  it('starts a Stopped one only where its port says so', async () => {
    await open();
    await create([{ guest: 80, wake: 'stopped' }]);
    await value(manager.stop('web'));
    expect(await (await connected()).hears('hello')).toBe('hello');
    await value(manager.update('web', { ports: [{ guest: 80 }] }));
    await value(manager.stop('web'));
    expect(await (await connected()).ended()).toBe('rst');
  });

  it('wakes nobody where the port says so', async () => {
    await open();
    await create([{ guest: 80, wake: 'never' }]);
    await value(manager.standby('web'));
    expect(await (await connected()).ended()).toBe('rst');
    expect(manager.doorStats?.()).toMatchObject({ woken: 0, refused: { not_running: 1 } });
  });

  it('listens at the address of an update as soon as that has emitted', async () => {
    await open();
    await create();
    const host = await freePort();
    await value(manager.update('web', { ports: [{ guest: 80, host }] }));
    expect(await portOf()).toBe(host);
  });

  it('leaves a port of the host to a machine that listens there itself', async () => {
    const { port } = machine.server.address() as AddressInfo;
    await open();
    await create([{ guest: 80, host: port }]);
    expect(await portOf()).toBe(port);
    expect(manager.doorStats?.()).toMatchObject({ listening: 0, retrying: 0 });
  });

  it('tells where the machine listens while somebody else has its own port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    await open();
    await create([{ guest: 80, host: (other.address() as AddressInfo).port }]);
    expect(await portOf()).toBe((machine.server.address() as AddressInfo).port);
    await expect(value(manager.status('web'))).resolves.toMatchObject({
      frontDoor: [{ state: 'retrying', reason: expect.stringContaining('EADDRINUSE') as string }],
    });
    other.close();
  });

  it('ends with what asks for an address of an instance that is deleted meanwhile', async () => {
    await open();
    await create();
    const asked = Promise.allSettled([value(manager.endpoint('web', 80))]);
    await value(manager.delete('web'));
    expect(await asked).toHaveLength(1);
  });

  it('keeps its addresses for the next manager, as long as the instance', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'door-'));
    await open({ dataDir });
    await create();
    const port = await portOf();
    await manager.close({ stopInstances: true });
    await open({ dataDir });
    expect(await portOf()).toBe(port);
    await value(manager.delete('web'));
    await manager.close();
    rmSync(dataDir, { recursive: true });
  });

  it('resets its clients before instances are stopped when the manager closes', async () => {
    await open();
    await create();
    const client = await connected();
    await client.hears('hello');
    let openAtStop: number | undefined;
    manager.events('stops').subscribe(({ action }) => {
      if (action === 'stop') openAtStop ??= manager.doorStats?.().listening;
    });
    await manager.close({ stopInstances: true });
    expect(await client.ended()).toBe('rst');
    expect(openAtStop).toBe(0);
    expect(
      await until(
        () => manager.doorStats?.().open,
        (count) => count === 0,
      ),
    ).toBe(0);
  });

  it('tells each wake as a decision, and what came of it', async () => {
    await open();
    await create();
    const decisions: unknown[] = [];
    manager.measurements$.subscribe((measurement) => {
      if (measurement.kind === 'decision') decisions.push(measurement);
    });
    await value(manager.standby('web'));
    await (await connected()).hears('hello');
    const expected = { kind: 'decision', controller: 'front_door', verb: 'restore', reason: 'connection' };
    expect(decisions).toStrictEqual([{ ...expected, result: 'ok' }]);
  });

  it('is not there where it is not wanted', async () => {
    await open({ frontDoor: false });
    await create();
    expect(await portOf()).toBe((machine.server.address() as AddressInfo).port);
    expect(manager.doorStats).toBe(undefined);
    await expect(value(manager.status('web'))).resolves.toStrictEqual({});
  });

  it('is there beside the controllers of an application', async () => {
    await open({ controllers: [] });
    await create();
    expect(await portOf()).not.toBe((machine.server.address() as AddressInfo).port);
  });

  it('listens where its options say', async () => {
    await open({ frontDoor: { host: '127.0.0.2' } });
    await create();
    await expect(value(manager.endpoint('web', 80))).resolves.toMatchObject({ host: '127.0.0.2' });
  });

  it('refuses options that cannot be understood', async () => {
    await open();
    const frontDoor = { host: 'localhost', wakeTimeoutMs: 0, hold: 1 } as object;
    const message = await openManager({ drivers: [driver], frontDoor }).catch(String);
    expect(message).toContain("frontDoor.host: found 'localhost', expected an address of this host");
    expect(message).toContain('frontDoor.wakeTimeoutMs');
    expect(message).toContain('frontDoor.hold');
  });

  it('remembers addresses as long as a store', async () => {
    const store = createMemoryStore();
    await open({ store, frontDoor: {} });
    await create();
    const port = await portOf();
    await comes(() => true);
    const kept = await value(store.loadRuntime('front_door'));
    expect([...kept.values()]).toStrictEqual([[{ guest: 80, host: port }]]);
    await value(manager.delete('web'));
    expect([...(await value(store.loadRuntime('front_door'))).values()]).toStrictEqual([]);
  });
});
