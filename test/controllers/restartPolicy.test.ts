import { firstValueFrom, Subject } from 'rxjs';
import type { RestartPolicyRequest } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createRestartPolicy, decideRestart, type HealthInput } from '../../src/controllers/restartPolicy.js';
import { anInstance } from '../support/lifecycleEvents.js';
import { openPoliced, type PolicedManager } from './policedManager.js';

const always: RestartPolicyRequest = { policy: 'always', backoffMs: 1_000, stableAfterMs: 60_000 };

let policed: PolicedManager;

beforeEach(async () => {
  policed = await openPoliced();
});

afterEach(() => policed.close());

describe('an instance with a restart policy', () => {
  it('is started again once the back-off since its end is over, and that is told with its cause', async () => {
    await policed.create({ restartPolicy: always });
    await policed.pass(500);
    await policed.exit(0);
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 0 } });
    await policed.pass(999);
    expect((await policed.get()).state).toBe('Stopped');
    await policed.pass(1);
    expect(policed.told()).toEqual([
      '0 s: create by caller',
      '0.5 s: exit by machine',
      '1.5 s: start by restart_policy, exit',
    ]);
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 1, lastReason: 'exit' } });
  });

  it('is started again at once without a back-off', async () => {
    await policed.create({ restartPolicy: { ...always, backoffMs: 0 } });
    await policed.exit(3);
    expect((await policed.get()).state).toBe('Running');
  });

  it.each([
    ['always', 0, 'Running'],
    ['always', 1, 'Running'],
    ['on_failure', 0, 'Stopped'],
    ['on_failure', 1, 'Running'],
  ] as const)('"%s" that ended with code %i is %s after it', async (policy, code, state) => {
    await policed.create({ restartPolicy: { ...always, policy } });
    await policed.exit(code);
    await policed.pass(10_000);
    expect((await policed.get()).state).toBe(state);
  });

  it('waits as long each time, or twice as long, by chance up to half less, where a longest back-off is given', async () => {
    await policed.create({ restartPolicy: { ...always, maxBackoffMs: 4_000 } });
    const waits: number[] = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await policed.exit(1);
      const { nextAttemptAt = 0 } = (await policed.status()).restartPolicy ?? {};
      waits.push(nextAttemptAt - Date.now());
      await policed.pass(waits.at(-1) ?? 0);
      expect((await policed.get()).state).toBe('Running');
    }
    const between = [1_000, 2_000, 4_000, 4_000, 4_000].map((most) => [most / 2, most]);
    waits.forEach((wait, attempt) => {
      expect(wait).toBeGreaterThanOrEqual(between[attempt]?.[0] ?? 0);
      expect(wait).toBeLessThanOrEqual(between[attempt]?.[1] ?? 0);
    });
    expect(new Set(waits).size).toBeGreaterThan(2);
  });

  it('is left Stopped after as many attempts in a row as it may have, until somebody starts it', async () => {
    await policed.create({ restartPolicy: { ...always, maxAttempts: 2 } });
    for (let run = 0; run < 3; run += 1) {
      await policed.exit(1);
      await policed.pass(5_000);
    }
    expect((await policed.get()).state).toBe('Stopped');
    expect(await policed.status()).toMatchObject({
      restartPolicy: { attempts: 2, blockedReason: 'max_attempts_exceeded' },
    });
    await firstValueFrom(policed.manager.start('web'));
    await policed.pass(0);
    expect(await policed.status()).toEqual({ restartPolicy: { attempts: 0 } });
    await policed.exit(1);
    await policed.pass(5_000);
    expect((await policed.get()).state).toBe('Running');
  });

  it('begins to count anew once it has run for as long as the policy asks', async () => {
    await policed.create({ restartPolicy: always });
    await policed.exit(1);
    await policed.pass(1_000);
    await policed.pass(59_999);
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 1 } });
    await policed.pass(1);
    expect(await policed.status()).toEqual({ restartPolicy: { attempts: 0 } });
  });

  it('stays Stopped when somebody stops it, and says so', async () => {
    await policed.create({ restartPolicy: { ...always, backoffMs: 0 } });
    await firstValueFrom(policed.manager.stop('web'));
    await policed.pass(60_000);
    expect((await policed.get()).exit).toMatchObject({ stoppedBy: 'caller' });
    expect(await policed.status()).toEqual({ restartPolicy: { attempts: 0, blockedReason: 'manual_stop' } });
    await policed.reopen();
    await policed.pass(60_000);
    expect((await policed.get()).state).toBe('Stopped');
  });

  it('is not started over a stop that came while it waited', async () => {
    await policed.create({ restartPolicy: always });
    await policed.exit(1);
    await policed.pass(500);
    // It is Stopped already, so a stop finds nothing to do: the policy is what has to go.
    await firstValueFrom(policed.manager.update('web', { restartPolicy: { policy: 'never' } }));
    await policed.pass(60_000);
    expect((await policed.get()).state).toBe('Stopped');
    expect(await policed.status()).toEqual({});
  });

  it('counts anew when its policy is changed', async () => {
    await policed.create({ restartPolicy: { ...always, maxAttempts: 1 } });
    await policed.exit(1);
    await policed.pass(1_000);
    await policed.exit(1);
    expect(await policed.status()).toMatchObject({
      restartPolicy: { attempts: 1, blockedReason: 'max_attempts_exceeded' },
    });
    await firstValueFrom(policed.manager.update('web', { tags: { any: 'other' } }));
    await policed.pass(5_000);
    expect((await policed.get()).state).toBe('Stopped');
    await firstValueFrom(policed.manager.update('web', { restartPolicy: { ...always, maxAttempts: 3 } }));
    await policed.pass(5_000);
    expect((await policed.get()).state).toBe('Running');
  });

  it('that never ran, or stands by, is left alone', async () => {
    await policed.create({ restartPolicy: always });
    await firstValueFrom(policed.manager.standby('web'));
    await firstValueFrom(policed.manager.fork('web', { name: 'twin', targetState: 'Stopped' }));
    await policed.pass(60_000);
    expect((await policed.get()).state).toBe('Standby');
    expect((await firstValueFrom(policed.manager.get('twin'))).state).toBe('Stopped');
  });

  it('tries again after the back-off when it cannot be started', async () => {
    await policed.close();
    let isBroken = false;
    const fail = (): Error | undefined => (isBroken ? new Error('no room') : undefined);
    policed = await openPoliced({}, createMemoryDriver({ fail }));
    await policed.create({ restartPolicy: always });
    isBroken = true;
    await policed.exit(1);
    await policed.pass(3_500);
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 3 } });
    isBroken = false;
    await policed.pass(500);
    expect((await policed.get()).state).toBe('Running');
  });

  it('is started by the next manager when it ended while none was there', async () => {
    const { id } = await policed.create({ restartPolicy: always });
    await policed.manager.close({ stopInstances: false });
    policed.driver.machine(id).exit({ code: 1, signal: null });
    await policed.reopen({ after: 5_000 });
    await policed.pass(1_000);
    expect((await policed.get()).state).toBe('Running');
  });

  it('keeps its attempts and its back-off over managers', async () => {
    await policed.create({ restartPolicy: { ...always, backoffMs: 10_000 } });
    await policed.exit(1);
    await policed.pass(10_000);
    await policed.exit(1);
    await policed.reopen({ after: 3_000 });
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 1 } });
    await policed.pass(6_999);
    expect((await policed.get()).state).toBe('Stopped');
    await policed.pass(1);
    expect((await policed.get()).state).toBe('Running');
    expect(await policed.status()).toMatchObject({ restartPolicy: { attempts: 2 } });
  });

  it('does not wait for a time that a clock which was set back has to reach again', async () => {
    await policed.create({ restartPolicy: always });
    await policed.exit(1);
    await policed.reopen({ after: -86_400_000 });
    await policed.pass(1_000);
    expect((await policed.get()).state).toBe('Running');
  });

  it('does nothing when no controller is there', async () => {
    await policed.close();
    policed = await openPoliced({ controllers: [] });
    await policed.create({ restartPolicy: { ...always, backoffMs: 0 } });
    await policed.exit(1);
    await policed.pass(60_000);
    expect((await policed.get()).state).toBe('Stopped');
    expect(await policed.status()).toEqual({});
  });
});

describe('an instance that somebody has stopped', () => {
  const stoppedBy = (by: string | undefined, policy: 'always' | 'on_failure', code = 0): unknown => {
    const restartPolicy = { policy, backoffMs: 0, maxAttempts: 0, stableAfterMs: 1 };
    const exit = { code, signal: null, ...(by !== undefined && { stoppedBy: by }) };
    const { spec } = anInstance();
    const fields = { state: 'Stopped', stoppedAt: 5, exit, spec: { ...spec, restartPolicy } } as const;
    const instance = anInstance(fields);
    return decideRestart({ instance, memory: undefined, now: 10 }, { kind: 'changed' }).act?.verb;
  };

  it.each([
    ['a caller', 'caller', undefined, undefined],
    ['another controller', 'office_hours', undefined, undefined],
    ['a closing manager', 'close', 'start', undefined],
    ['its own restart, of which the start failed', 'restart_policy', 'start', 'start'],
  ])('is started again by "always", and by "on_failure", or not: %s', (_, by, always, onFailure) => {
    expect([stoppedBy(by, 'always'), stoppedBy(by, 'on_failure')]).toEqual([always, onFailure]);
  });
});

describe('an instance that is unhealthy', () => {
  const health$ = new Subject<{ readonly instanceId: string; readonly input: HealthInput }>();

  const found = async (instanceId: string, isHealthy: boolean): Promise<void> => {
    const { revision } = await policed.get();
    health$.next({ instanceId, input: { isHealthy, revision } });
    await policed.pass(0);
  };

  beforeEach(async () => {
    await policed.close();
    policed = await openPoliced({ controllers: [createRestartPolicy(health$)] });
  });

  it('is restarted by its policy at once, then after its back-off, and not more often than it may', async () => {
    const { id } = await policed.create({ restartPolicy: { ...always, maxAttempts: 2 } });
    await found(id, false);
    await found(id, false);
    await policed.pass(999);
    await policed.pass(1);
    await found(id, false);
    await policed.pass(5_000);
    expect(policed.told().slice(1)).toEqual([
      '0 s: stop by restart_policy, unhealthy',
      '0 s: start by restart_policy, unhealthy',
      '1 s: stop by restart_policy, unhealthy',
      '1 s: start by restart_policy, unhealthy',
    ]);
    expect(await policed.status()).toMatchObject({
      restartPolicy: { attempts: 2, lastReason: 'unhealthy', blockedReason: 'max_attempts_exceeded' },
    });
  });

  it('is left alone when it is healthy again before its back-off is over', async () => {
    const { id } = await policed.create({ restartPolicy: always });
    await found(id, false);
    await found(id, false);
    await found(id, true);
    await policed.pass(5_000);
    expect(policed.told()).toHaveLength(3);
  });

  it('is left alone when what was found of it is older than what it is now', async () => {
    const { id, revision } = await policed.create({ restartPolicy: { ...always, backoffMs: 0 } });
    await firstValueFrom(policed.manager.restart('web'));
    await policed.pass(0);
    health$.next({ instanceId: id, input: { isHealthy: false, revision } });
    await policed.pass(5_000);
    expect(policed.told().filter((event) => event.includes('restart_policy'))).toEqual([]);
  });

  it('is not held to that when it goes on after a standby', async () => {
    const { id } = await policed.create({ restartPolicy: always });
    await found(id, false);
    await found(id, false);
    await firstValueFrom(policed.manager.standby('web'));
    await firstValueFrom(policed.manager.restore('web'));
    await policed.pass(5_000);
    expect(policed.told().filter((event) => event.includes('start by restart_policy'))).toHaveLength(1);
  });

  it('without a policy stays as it is', async () => {
    const { id } = await policed.create({});
    await found(id, false);
    await policed.pass(5_000);
    expect(policed.told()).toHaveLength(1);
  });
});
