import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, type Observable } from 'rxjs';

let driver: MemoryDriver;
let manager: InstanceManager;

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const refusal = async (source$: Observable<unknown>): Promise<string> => {
  try {
    return `no refusal: ${JSON.stringify(await value(source$))}`;
  } catch (error) {
    return (error as Error).message.replace(/instance \w+/, 'web');
  }
};

beforeEach(async () => {
  driver = createMemoryDriver();
  manager = await openManager({ drivers: [driver] });
  await value(manager.create({ name: 'web', image: 'any' }));
});

afterEach(() => manager.close());

const intoStandby = (): Promise<unknown> => value(manager.standby('web'));
const intoStopped = (): Promise<unknown> => value(manager.stop('web'));
const intoPaused = async (): Promise<unknown> => {
  driver.machine((await value(manager.get('web'))).id).halt();
  return value(manager.refresh('web'));
};
const asItIs = (): Promise<unknown> => Promise.resolve();

describe('a verb that the state does not allow says what would be allowed', () => {
  it.each<[string, () => Promise<unknown>, () => Observable<unknown>, string]>([
    [
      'fork',
      asItIs,
      () => manager.fork('web', { name: 'two' }),
      'cannot fork web while it is Running: it has to be Stopped or Standby, or Running with fromRunning: true',
    ],
    [
      'fork of a paused one',
      intoPaused,
      () => manager.fork('web', { name: 'two', fromRunning: true }),
      'cannot fork web while it is Paused: it has to be Stopped or Standby, or Running with fromRunning: true',
    ],
    [
      'start',
      intoStandby,
      () => manager.start('web'),
      'cannot start web while it is Standby: it has to be Stopped',
    ],
    [
      'standby',
      intoStopped,
      () => manager.standby('web'),
      'cannot standby web while it is Stopped: it has to be Running',
    ],
    [
      'restore',
      intoStopped,
      () => manager.restore('web'),
      'cannot restore web while it is Stopped: it has to be Paused, Standby, or Unknown',
    ],
    [
      'createSnapshot',
      asItIs,
      () => manager.createSnapshot('web', { kind: 'Stopped' }),
      'cannot createSnapshot web while it is Running: for the kind Stopped it has to be Stopped',
    ],
  ])('%s', async (_, into, verb, message) => {
    await into();
    await expect(refusal(verb())).resolves.toBe(message);
  });

  it('restoreSnapshot', async () => {
    await intoStopped();
    const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await value(manager.start('web'));
    await expect(refusal(manager.restoreSnapshot('web', id))).resolves.toBe(
      'cannot restoreSnapshot web while it is Running: it has to be Stopped or Standby',
    );
  });
});

describe('a driver that cannot do what a verb needs', () => {
  it('says of which kind its snapshots are', async () => {
    await expect(refusal(manager.createSnapshot('web', { kind: 'Standby' }))).resolves.toBe(
      'the driver "memory" cannot createSnapshot: it has no snapshots of kind Standby, only of kind Stopped',
    );
  });

  it('says that it has none', async () => {
    const { snapshots: _, ...bare } = createMemoryDriver();
    const other = await openManager({ drivers: [bare] });
    await value(other.create({ name: 'web', image: 'any' }));
    await expect(refusal(other.createSnapshot('web', { kind: 'Stopped' }))).resolves.toBe(
      'the driver "memory" cannot createSnapshot: it has no snapshots of kind Stopped',
    );
    await other.close();
  });
});
