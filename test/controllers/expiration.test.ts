import { firstValueFrom } from 'rxjs';
import { createMemoryDriver } from 'rx-instances/testing';
import { openPoliced, type PolicedManager } from './policedManager.js';

let policed: PolicedManager;

const names = async (): Promise<readonly string[]> =>
  (await firstValueFrom(policed.manager.list())).map(({ name }) => name);

beforeEach(async () => {
  policed = await openPoliced();
});

afterEach(() => policed.close());

describe('an instance that has a time to live', () => {
  it('is deleted when that is over, and that is told with its cause', async () => {
    const { spec } = await policed.create({ ttlMs: 60_000 });
    expect(spec.expiresAt).toBe(Date.now() + 60_000);
    expect(await policed.status()).toEqual({ expiration: { expiresAt: spec.expiresAt } });
    await policed.pass(59_999);
    expect(await names()).toEqual(['web']);
    await policed.pass(1);
    expect(await names()).toEqual([]);
    expect(policed.told()).toEqual(['0 s: create by caller', '60 s: delete by expiration, ttl']);
  });

  it('is deleted in any state', async () => {
    await policed.create({ expiresAt: Date.now() + 1_000 });
    await firstValueFrom(policed.manager.stop('web'));
    await policed.pass(1_000);
    expect(await names()).toEqual([]);
  });

  it('lives longer, or for ever, when that is changed', async () => {
    await policed.create({ ttlMs: 1_000 });
    await policed.pass(900);
    await firstValueFrom(policed.manager.update('web', { ttlMs: 1_000 }));
    await policed.pass(900);
    const updated = await firstValueFrom(policed.manager.update('web', { ttlMs: 0 }));
    expect(updated.spec).not.toHaveProperty('expiresAt');
    await policed.pass(60_000);
    expect(await names()).toEqual(['web']);
  });

  it('is updated until the last moment, and then no more, though its delete has failed so far', async () => {
    await policed.close();
    let isBroken = true;
    const fail = (operation: string): Error | undefined =>
      isBroken && operation === 'discard' ? new Error('busy') : undefined;
    policed = await openPoliced({}, createMemoryDriver({ fail }));
    await policed.create({ ttlMs: 1_000 });
    await policed.pass(999);
    const { spec } = await firstValueFrom(policed.manager.update('web', { ttlMs: 1_000 }));
    await policed.pass(1_000);
    expect(spec.expiresAt).toBe(Date.now());
    for (const patch of [{ ttlMs: 1_000 }, { ttlMs: 0 }, { tags: { team: 'red' } }]) {
      await expect(firstValueFrom(policed.manager.update('web', patch))).rejects.toMatchObject({
        _tag: 'InvalidState',
        message: expect.stringContaining('its time is over, and it is about to be deleted') as string,
      });
    }
    expect((await policed.get()).spec).toEqual(spec);
    isBroken = false;
  });

  it('is not prolonged by an update that was asked for in time and has its turn too late', async () => {
    await policed.close();
    policed = await openPoliced({}, createMemoryDriver({ stopMs: 5_000 }));
    await policed.create({ ttlMs: 1_000 });
    const stopped = firstValueFrom(policed.manager.stop('web'));
    const late = firstValueFrom(policed.manager.update('web', { ttlMs: 60_000 })).catch(
      (error: unknown) => error,
    );
    await policed.pass(5_000);
    await stopped;
    expect(await late).toMatchObject({ _tag: 'InvalidState', verb: 'update' });
    expect(await names()).toEqual([]);
  });

  it('is deleted by the next manager when its time is over by then', async () => {
    await policed.create({ ttlMs: 60_000 });
    await policed.reopen({ after: 86_400_000 });
    expect(await names()).toEqual([]);
  });

  it('is deleted within a minute of a clock that was set forward', async () => {
    await policed.create({ ttlMs: 86_400_000 });
    jest.setSystemTime(Date.now() + 2 * 86_400_000);
    await policed.pass(60_000);
    expect(await names()).toEqual([]);
  });

  it('is deleted later when it can not be at once', async () => {
    await policed.close();
    let isBroken = true;
    const fail = (operation: string): Error | undefined =>
      isBroken && operation === 'discard' ? new Error('busy') : undefined;
    policed = await openPoliced({}, createMemoryDriver({ fail }));
    await policed.create({ ttlMs: 1_000 });
    await policed.pass(1_000);
    expect(await names()).toEqual(['web']);
    isBroken = false;
    await policed.pass(5_000);
    expect(await names()).toEqual([]);
  });

  it('gives none of it to its forks and to those of its snapshots, and keeps it when it is restored', async () => {
    await policed.create({ ttlMs: 60_000 });
    await firstValueFrom(policed.manager.stop('web'));
    const snapshot = await firstValueFrom(policed.manager.createSnapshot('web', { kind: 'Stopped' }));
    await firstValueFrom(policed.manager.fork('web', { name: 'twin' }));
    await firstValueFrom(policed.manager.forkSnapshot(snapshot.id, { name: 'later' }));
    await firstValueFrom(policed.manager.restoreSnapshot('web', snapshot.id));
    await policed.pass(60_000);
    expect(await names()).toEqual(['twin', 'later']);
  });
});
