import Hypeman, { APIError } from '@onkernel/hypeman';
import fastify from 'fastify';
import { createSigner } from 'fast-jwt';
import { createProcessDriver, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';

const secret = 'the secret of these tests, and of none else';

/** Their client, against a server of ours that runs real processes. */
async function open(): Promise<{ readonly client: Hypeman } & AsyncDisposable> {
  const drivers = [createProcessDriver()];
  const manager = await openManager({ drivers, frontDoor: {} });
  const app = fastify({ ...apiServerOptions(), forceCloseConnections: true });
  await app.register(instancesApi, { manager, drivers, secret });
  const baseURL = await app.listen({ host: '127.0.0.1', port: 0 });
  const apiKey = createSigner({ key: secret })({ sub: 'tester' });
  const client = new Hypeman({ baseURL, apiKey, maxRetries: 0 });
  return {
    client,
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await manager.close();
    },
  };
}

const sleeper = { image: 'scratch', entrypoint: ['sleep', '60'] };

const failure = async (call: PromiseLike<unknown>): Promise<unknown> => {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status, headers, error: body } = error as APIError<number, Headers, { readonly code: string }>;
    return [status, body.code, headers.get('x-should-retry')];
  }
};

describe('the client of hypeman', () => {
  it('takes an instance through all its verbs', async () => {
    await using stage = await open();
    const { instances } = stage.client;
    const created = await instances.create({
      name: 'web',
      ...sleeper,
      tags: { team: 'red', 'x y': 'a:b' },
      env: { GREETING: 'hello' },
      restart_policy: { policy: 'on_failure', backoff: '1s' },
      health_check: { type: 'exec', exec: { command: ['true'] }, interval: '1h' },
      auto_standby: { enabled: true, idle_timeout: '1h30m', ignore_source_cidrs: ['10.0.0.0/8'] },
      ttl: '24h',
      // A field of ours.
      ...{ ports: [{ guest: 80 }] },
    });
    expect(created).toMatchObject({
      ...{ name: 'web', image: 'scratch', hypervisor: 'process', state: 'Running' },
      env: { GREETING: 'hello' },
      tags: { team: 'red', 'x y': 'a:b' },
      restart_policy: { policy: 'on_failure', backoff: '1s', max_attempts: 0, stable_after: '10m0s' },
      health_check: {
        ...{ type: 'exec', interval: '1h0m0s', timeout: '2s', start_period: '30s' },
        ...{ failure_threshold: 3, success_threshold: 1, exec: { command: ['true'] } },
      },
      auto_standby: {
        ...{ enabled: true, idle_timeout: '1h30m0s' },
        ...{ ignore_source_cidrs: ['10.0.0.0/8'], ignore_destination_ports: [] },
      },
      expires_at: expect.any(String) as string,
    });
    const { id } = created;

    expect(
      (await instances.list({ state: 'Running', tags: { 'x y': 'a:b' } })).map(({ name }) => name),
    ).toEqual(['web']);
    expect(await instances.list({ tags: { team: 'blue' } })).toEqual([]);
    expect((await instances.get('web')).id).toBe(id);
    expect(await instances.wait(id.slice(0, 8), { state: 'Running', timeout: '2m' })).toEqual({
      state: 'Running',
      timed_out: false,
    });
    expect(await instances.update(id, { env: { MORE: '1' }, ttl: '0s' })).toMatchObject({
      env: { GREETING: 'hello', MORE: '1' },
      expires_at: null,
    });
    expect(await instances.autoStandby.status(id)).toMatchObject({
      ...{ supported: true, configured: true, enabled: true, eligible: true, idle_timeout: '1h30m0s' },
      ...{ active_inbound_connections: 0, tracking_mode: 'connection_sources' },
    });
    expect(await instances.autoStandby.hold(id)).toMatchObject({ hold_until: expect.any(String) as string });
    expect((await instances.standby(id)).state).toBe('Standby');
    expect(await failure(instances.autoStandby.hold(id))).toEqual([409, 'instance_in_standby', 'false']);
    expect(await instances.restore(id)).toMatchObject({ state: 'Running', has_snapshot: false });
    expect(
      await instances.fork(id, { name: 'copy', from_running: true, target_state: 'Stopped' }),
    ).toMatchObject({ name: 'copy', state: 'Stopped', expires_at: null });
    expect((await instances.stop(id)).state).toBe('Stopped');
    expect((await instances.start(id, { entrypoint: ['sleep'], cmd: ['61'] })).state).toBe('Running');
    expect(await instances.delete(id, { graceful_shutdown: true })).toBeNull();
    expect(await instances.delete('copy')).toBeNull();
    expect(await failure(instances.get(id))).toEqual([404, 'not_found', 'false']);
  });

  it('reads logs', async () => {
    await using stage = await open();
    const { instances } = stage.client;
    const script = 'echo one; echo "zwei ä"; echo three; exec sleep 60';
    await instances.create({ name: 'web', image: 'scratch', entrypoint: ['sh', '-c', script] });
    const heard: string[] = [];
    for await (const line of await instances.logs('web', { follow: true })) {
      heard.push(line);
      if (heard.length === 3) break;
    }
    expect(heard).toEqual(['one', 'zwei ä', 'three']);
    const last: string[] = [];
    for await (const line of await instances.logs('web', { tail: 1, source: 'app' })) last.push(line);
    expect(last).toEqual(['three']);
    expect(await failure(instances.logs('web', { source: 'vmm' }))).toEqual([404, 'log_not_found', 'false']);
  });

  it('takes snapshots, and makes instances of them', async () => {
    await using stage = await open();
    const { instances, snapshots } = stage.client;
    const { id } = await instances.create({ name: 'web', ...sleeper });
    await instances.stop(id);
    const taken = await instances.snapshots.create(id, { kind: 'Stopped', name: 'first', tags: { a: 'b' } });
    expect(taken).toMatchObject({
      ...{ kind: 'Stopped', name: 'first', tags: { a: 'b' }, compression_state: 'none' },
      ...{ source_instance_id: id, source_instance_name: 'web', source_hypervisor: 'process' },
    });
    expect(await failure(instances.snapshots.create(id, { kind: 'Stopped', name: 'first' }))).toEqual([
      409,
      'name_conflict',
      'false',
    ]);
    expect(
      await snapshots.list({ source_instance_id: id, kind: 'Stopped', name: 'first', tags: { a: 'b' } }),
    ).toEqual([taken]);
    expect(await snapshots.list({ kind: 'Standby' })).toEqual([]);
    expect(await snapshots.get(taken.id)).toEqual(taken);
    expect((await instances.snapshots.restore(taken.id, { id, target_state: 'Running' })).state).toBe(
      'Running',
    );
    expect(await snapshots.fork(taken.id, { name: 'copy', target_state: 'Running' })).toMatchObject({
      ...{ name: 'copy', state: 'Running' },
    });
    expect(await snapshots.delete(taken.id)).toBeNull();
    expect(await failure(snapshots.get(taken.id))).toEqual([404, 'not_found', 'false']);
    await instances.delete('copy');
    await instances.delete('web');
  });

  it('is told what this server is, and what it has not', async () => {
    await using stage = await open();
    const { instances, health, capabilities } = stage.client;
    expect(await health.check()).toEqual({ status: 'ok' });
    expect(await capabilities.get()).toMatchObject({
      default_runtime: { name: 'process', available: true },
      runtimes: [{ name: 'process', available: true, features: ['exec', 'fork', 'snapshots', 'standby'] }],
      features: ['instances', 'logs', 'exec'],
    });
    const absent = [501, 'not_implemented', 'false'];
    const retention = { max_count: 1 };
    expect(await failure(instances.stat('web', { path: '/' }))).toEqual(absent);
    expect(await failure(instances.stats('web'))).toEqual(absent);
    expect(await failure(instances.volumes.attach('v', { id: 'web', mount_path: '/x' }))).toEqual(absent);
    expect(await failure(instances.volumes.detach('v', { id: 'web' }))).toEqual(absent);
    expect(await failure(instances.snapshotSchedule.get('web'))).toEqual(absent);
    expect(await failure(instances.snapshotSchedule.update('web', { interval: '1h', retention }))).toEqual(
      absent,
    );
    expect(await failure(instances.snapshotSchedule.delete('web'))).toEqual(absent);
  });

  it('is told by the code what it did wrong', async () => {
    await using stage = await open();
    const { instances } = stage.client;
    await instances.create({ name: 'web', ...sleeper });
    expect(await failure(instances.create({ name: 'web', ...sleeper }))).toEqual([
      400,
      'name_conflict',
      'false',
    ]);
    expect(await failure(instances.fork('web', { name: 'web', from_running: true }))).toEqual([
      409,
      'name_conflict',
      'false',
    ]);
    expect(await failure(instances.start('web', { cmd: ['x'] }))).toEqual([409, 'invalid_state', 'false']);
    expect(await failure(instances.wait('web', { state: 'Unknown' }))).toEqual([
      400,
      'invalid_state',
      'false',
    ]);
    expect(await failure(instances.wait('web', { state: 'Running', timeout: '5' }))).toEqual([
      400,
      'invalid_timeout',
      'false',
    ]);
    expect(await failure(instances.update('web', {}))).toEqual([400, 'invalid_request', 'false']);
    expect(await failure(instances.update('web', { ttl: '1d' }))).toEqual([400, 'invalid_ttl', 'false']);
    expect(await failure(instances.update('web', { auto_standby: { enabled: true } }))).toEqual([
      400,
      'invalid_auto_standby',
      'false',
    ]);
    expect(await failure(instances.update('web', { health_check: { type: 'http' } }))).toEqual([
      400,
      'invalid_health_check',
      'false',
    ]);
    expect(await failure(instances.create({ name: 'db', ...sleeper, size: '1.5GB' }))).toEqual([
      400,
      'invalid_size',
      'false',
    ]);
    expect(await failure(instances.create({ name: 'db', ...sleeper, volumes: [] }))).toEqual([
      400,
      'invalid_request',
      'false',
    ]);
    await instances.delete('web');
  });
});
