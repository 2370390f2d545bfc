import { type Driver, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, type Observable } from 'rxjs';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let driver: MemoryDriver;
let manager: InstanceManager;
let id: string;

const portless = (): Driver => {
  const made = createMemoryDriver();
  return { ...made, kind: 'portless', capabilities: { ...made.capabilities, ports: false } };
};

beforeEach(async () => {
  driver = createMemoryDriver({ portOf: (_, guest) => 10_000 + guest });
  manager = await openManager({ drivers: [driver, portless()], frontDoor: false });
  const ports = [{ guest: 80 }, { guest: 22, host: 2_222 }];
  ({ id } = await value(manager.create({ name: 'web', driver: 'memory', image: 'any', ports })));
});

afterEach(() => manager.close());

it('tells where a port of an instance is, by its id, its name, and the beginning of its id', async () => {
  const expected = { host: '127.0.0.1', port: 10_080 };
  for (const idOrName of [id, 'web', id.slice(0, 8)]) {
    await expect(value(manager.endpoint(idOrName, 80))).resolves.toEqual(expected);
  }
  await expect(value(manager.endpoint('web', 22))).resolves.toEqual({ host: '127.0.0.1', port: 10_022 });
});

it('looks when it is subscribed to, and needs no turn', async () => {
  const endpoint$ = manager.endpoint('late', 80);
  await expect(value(endpoint$)).rejects.toMatchObject({ _tag: 'InstanceNotFound' });
  const ports = [{ guest: 80 }];
  await value(manager.create({ name: 'late', driver: 'memory', image: 'any', ports }));
  await expect(value(endpoint$)).resolves.toMatchObject({ port: 10_080 });
});

it.each([
  [81, '81', 'one of 80, 22'],
  [2_222, '2222', 'one of 80, 22'],
  [0, '0', 'TCP port (a whole number from 1 to 65535)'],
  ['80', "'80'", 'TCP port (a whole number from 1 to 65535)'],
])('refuses %j, which is none of its ports', async (guest, found, expected) => {
  await expect(value(manager.endpoint('web', guest as number))).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: [{ path: 'guest', found, expected }],
  });
});

it('refuses every port of an instance that has none', async () => {
  await value(manager.create({ name: 'bare', driver: 'memory', image: 'any' }));
  await expect(value(manager.endpoint('bare', 80))).rejects.toMatchObject({
    faults: [{ path: 'guest', found: '80', expected: 'none: the instance has no ports' }],
  });
});

it('is not supported where machines have no ports', async () => {
  await value(manager.create({ name: 'bare', driver: 'portless', image: 'any' }));
  await expect(value(manager.endpoint('bare', 80))).rejects.toMatchObject({
    _tag: 'NotSupported',
    message: 'the driver "portless" cannot endpoint: its machines have no ports',
  });
});

it.each(['stop', 'standby'] as const)('has nobody to connect to after %s, and has again', async (verb) => {
  await value(manager[verb]('web'));
  await expect(value(manager.endpoint('web', 80))).rejects.toMatchObject({
    _tag: 'InvalidState',
    verb: 'endpoint',
    remedy: 'it has to be Initializing, Running, or Paused',
  });
  await value(manager[verb === 'stop' ? 'start' : 'restore']('web'));
  await expect(value(manager.endpoint('web', 80))).resolves.toMatchObject({ port: 10_080 });
});

it('tells where one is that is not ready yet', async () => {
  const readiness = { kind: 'tcp', port: 80 } as const;
  const ports = [{ guest: 80 }];
  await value(manager.create({ name: 'slow', driver: 'memory', image: 'any', ports, readiness }));
  await expect(value(manager.endpoint('slow', 80))).resolves.toMatchObject({ port: 10_080 });
});

it('a port that was added since its start is there once it was restarted', async () => {
  await value(manager.update('web', { ports: [{ guest: 443 }] }));
  await expect(value(manager.endpoint('web', 443))).rejects.toMatchObject({
    _tag: 'InvalidState',
    remedy: 'the port was added after its start, so it has to be restarted',
  });
  await value(manager.restart('web'));
  await expect(value(manager.endpoint('web', 443))).resolves.toMatchObject({ port: 10_443 });
});

it('fails once the manager is closed', async () => {
  await manager.close();
  await expect(value(manager.endpoint('web', 80))).rejects.toMatchObject({ _tag: 'ManagerClosed' });
});
