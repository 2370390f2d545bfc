import { delay, firstValueFrom, of, Subject } from 'rxjs';
import type { HealthCheckRequest, Measurement, RestartPolicyRequest } from 'rx-instances';
import { createHealthChecks, decideHealth, type HealthMemory } from '../../src/controllers/healthCheck.js';
import { createRestartPolicy } from '../../src/controllers/restartPolicy.js';
import type { Probe } from '../../src/controllers/probes/probe.js';
import type { ProbeOutcome } from '../../src/controllers/probes/probeOutcome.js';
import type { HealthCheck } from '../../src/lifecycle/healthCheck.js';
import { anInstance } from '../support/lifecycleEvents.js';
import { openPoliced, type PolicedManager } from './policedManager.js';

const success: ProbeOutcome = { kind: 'success' };
const failure: ProbeOutcome = { kind: 'failure', error: 'it answered 503 instead of 200' };
const unasked: ProbeOutcome = { kind: 'unasked', error: 'too many open files' };

const check: HealthCheck = {
  ...{ kind: 'tcp', port: 80, intervalMs: 10_000, timeoutMs: 2_000 },
  ...{ startPeriodMs: 30_000, failureThreshold: 3, successThreshold: 2 },
};

describe('the verdict on an instance', () => {
  const { spec } = anInstance();
  const instance = anInstance({ spec: { ...spec, healthCheck: check }, startedAt: 0, revision: 5 });

  /** What is remembered after these probes, one of each second, the last at that time. */
  const after = (outcomes: string, at = 100_000, begin?: HealthMemory): HealthMemory | undefined =>
    Array.from(outcomes).reduce<HealthMemory | undefined>((memory, letter, index) => {
      const now = at - (outcomes.length - 1 - index) * 1_000;
      const known = memory ?? decideHealth({ instance, memory, now }, { kind: 'changed' }).memory;
      const counts = now >= check.startPeriodMs;
      const outcome = { s: success, f: failure, u: unasked }[letter];
      const result = { generation: known?.generation, counts, outcome };
      return decideHealth({ instance, memory: known, now }, { kind: 'done', verb: 'probe', result }).memory;
    }, begin);

  it.each([
    ['', 100_000, undefined],
    ['s', 100_000, undefined],
    ['ss', 100_000, 'healthy'],
    ['sfs', 100_000, undefined],
    ['ff', 100_000, undefined],
    ['fff', 100_000, 'unhealthy'],
    ['ffsff', 100_000, undefined],
    ['ffuf', 100_000, 'unhealthy'],
    ['uuuu', 100_000, undefined],
    ['ssff', 100_000, 'healthy'],
    ['ssfff', 100_000, 'unhealthy'],
    ['fffs', 100_000, 'unhealthy'],
    ['fffss', 100_000, 'healthy'],
    ['ffffff', 29_999, undefined],
    ['ss', 29_999, 'healthy'],
    ['fff', 31_999, undefined],
    ['fff', 32_000, 'unhealthy'],
  ])('after "%s" by %i ms is %s', (outcomes, at, verdict) => {
    expect(after(outcomes, at)?.verdict).toBe(verdict);
  });

  it('is not passed on a run by what was asked of the one before', () => {
    const memory = after('ff');
    const now = 100_500;
    const result = { generation: 4, counts: true, outcome: failure };
    const done = decideHealth({ instance, memory, now }, { kind: 'done', verb: 'probe', result });
    expect(done.memory).toEqual(memory);
  });

  it.each([
    ['another start', { startedAt: 99_000 }, undefined],
    ['a start that is told', {}, 'start'],
    ['a restore that is told', {}, 'restore'],
    ['another check', { spec: { ...spec, healthCheck: { ...check, port: 81 } } }, 'update'],
  ] as const)('is forgotten by %s', (_, fields, action) => {
    const changed = { ...instance, ...fields, revision: 6 };
    const occasion = { kind: 'changed', ...(action !== undefined && { action }) } as const;
    const { memory } = decideHealth({ instance: changed, memory: after('fff'), now: 101_000 }, occasion);
    expect(memory).toMatchObject({ generation: 6, progress: { failures: 0, nextAt: 101_000 } });
    expect(memory?.verdict).toBeUndefined();
  });

  it('stands when anything else of the instance is changed', () => {
    const memory = after('fff');
    const changed = { ...instance, revision: 6, spec: { ...instance.spec, tags: { any: 'other' } } };
    const occasion = { kind: 'changed', action: 'update' } as const;
    expect(decideHealth({ instance: changed, memory, now: 100_500 }, occasion).memory).toEqual(memory);
  });

  it.each(['Initializing', 'Paused', 'Standby', 'Stopped', 'Unknown'] as const)(
    'is forgotten, and nobody asks, while it is %s',
    (state) => {
      const idle = { ...instance, state };
      expect(decideHealth({ instance: idle, memory: after('ss'), now: 1 }, { kind: 'changed' })).toEqual({});
    },
  );

  it('counts the start period from a restore, and from the start', () => {
    const sight = { instance, memory: undefined, now: 70_000 };
    const restored = decideHealth(sight, { kind: 'changed', action: 'restore' });
    const found = decideHealth(sight, { kind: 'changed' });
    expect([restored.memory?.beganAt, found.memory?.beganAt]).toEqual([70_000, 0]);
  });

  it('is asked for no later than an interval after a clock was set back', () => {
    const memory = after('s');
    expect(decideHealth({ instance, memory, now: 50_000 }, { kind: 'due' }).at).toBe(60_000);
  });

  it('has an error of at most 512 bytes, on one line', () => {
    const memory = after('s');
    const outcome = { kind: 'failure', error: `a\n${'ä€'.repeat(1_000)}` };
    const result = { generation: memory?.generation, counts: true, outcome };
    const done = decideHealth({ instance, memory, now: 101_000 }, { kind: 'done', verb: 'probe', result });
    const { lastError = '' } = done.memory?.progress ?? {};
    expect(Buffer.byteLength(lastError)).toBeLessThanOrEqual(512);
    expect(Buffer.byteLength(lastError)).toBeGreaterThan(500);
    expect(lastError).toMatch(/^a\\nä€ä.*…$/u);
  });
});

describe('an instance with a health check', () => {
  const asked: HealthCheckRequest = { kind: 'tcp', port: 80, startPeriodMs: 0, intervalMs: 10_000 };
  const always: RestartPolicyRequest = { policy: 'always', backoffMs: 1_000 };
  let policed: PolicedManager;
  let answer: Probe;
  let probes: string[];
  let decisions: Measurement[];
  let told: unknown[];

  beforeEach(async () => {
    [answer, probes, decisions, told] = [() => of(success), [], [], []];
    const { controller, health$ } = createHealthChecks((instance, ...rest) => {
      probes.push(`${instance.name} at ${String(Date.now() - begun)}`);
      return answer(instance, ...rest);
    });
    policed = await openPoliced({
      controllers: [createRestartPolicy(health$), controller],
      logger: {
        debug: () => undefined,
        info: ({ lastError }: { lastError?: string }, message) => told.push([message, lastError]),
        warn: (_, message) => told.push(message),
      },
    });
    const begun = Date.now();
    policed.manager.measurements$.subscribe((measurement) => {
      if (measurement.kind === 'decision') decisions.push(measurement);
    });
  });

  afterEach(() => policed.close());

  const healthOf = async (): Promise<unknown> => (await policed.status()).healthCheck;

  it('is asked at once, then an interval after the end of each probe', async () => {
    answer = () => of(success).pipe(delay(1_500));
    await policed.create({ healthCheck: asked });
    expect(await healthOf()).toEqual({ status: 'starting', consecutiveSuccesses: 0, consecutiveFailures: 0 });
    await policed.pass(30_000);
    expect(probes).toEqual(['web at 0', 'web at 11500', 'web at 23000']);
    expect(await healthOf()).toMatchObject({ status: 'healthy', consecutiveSuccesses: 3 });
  });

  it('is told of when its verdict changes, and only then', async () => {
    await policed.create({ healthCheck: asked });
    await policed.pass(60_000);
    answer = () => of(failure);
    await policed.pass(60_000);
    const health = { controller: 'health_check', kind: 'decision', result: 'ok' };
    expect(decisions).toEqual([
      { ...health, verb: 'healthy', reason: 'probe_succeeded' },
      { ...health, verb: 'unhealthy', reason: 'probe_failed' },
    ]);
    expect(told).toEqual([
      ['an instance is healthy', undefined],
      ['an instance is unhealthy', failure.error],
    ]);
    expect(await healthOf()).toMatchObject({ status: 'unhealthy', lastError: failure.error });
    expect((await policed.get()).state).toBe('Running');
    expect(policed.told()).toEqual(['0 s: create by caller']);
  });

  it('is written of when its verdict changes, not with every probe', async () => {
    await policed.create({ healthCheck: asked });
    await policed.pass(600_000);
    expect([probes.length, policed.writes()]).toEqual([61, 1]);
    answer = () => of(failure);
    await policed.pass(600_000);
    expect([probes.length, policed.writes()]).toEqual([121, 2]);
    await firstValueFrom(policed.manager.stop('web'));
    await policed.pass(0);
    expect(policed.writes()).toBe(3);
  });

  it('is restarted by its policy when it is unhealthy, and begins anew', async () => {
    answer = () => of(failure);
    await policed.create({ healthCheck: asked, restartPolicy: always });
    await policed.pass(20_000);
    expect(policed.told().slice(1)).toEqual([
      '20 s: stop by restart_policy, unhealthy',
      '20 s: start by restart_policy, unhealthy',
    ]);
    expect(await policed.status()).toMatchObject({
      restartPolicy: { attempts: 1, lastReason: 'unhealthy' },
      healthCheck: { status: 'starting', consecutiveFailures: 1 },
    });
    expect(probes).toEqual(['web at 0', 'web at 10000', 'web at 20000', 'web at 20000']);
  });

  it('is restarted as often as its policy asks for, and stays unhealthy after that', async () => {
    answer = () => of(failure);
    await policed.create({ healthCheck: asked, restartPolicy: { ...always, maxAttempts: 2 } });
    await policed.pass(300_000);
    expect(policed.told().filter((event) => event.includes('start by'))).toHaveLength(2);
    expect(await policed.status()).toMatchObject({
      restartPolicy: { attempts: 2, blockedReason: 'max_attempts_exceeded' },
      healthCheck: { status: 'unhealthy' },
    });
  });

  it('that is slow to start is not judged before it is Running', async () => {
    answer = () => of(failure);
    const readiness = { kind: 'log', pattern: 'ready' } as const;
    const { id } = await policed.create({ healthCheck: asked, restartPolicy: always, readiness });
    await policed.pass(3_600_000);
    expect(probes).toEqual([]);
    expect(await healthOf()).toMatchObject({ status: 'starting' });
    answer = () => of(success);
    policed.driver.machine(id).ready();
    await policed.pass(0);
    expect(await healthOf()).toMatchObject({ status: 'healthy' });
    expect(policed.told().filter((event) => event.includes('restart_policy'))).toEqual([]);
  });

  it('is not judged by the answer of its run before, which comes when it has been started again', async () => {
    const late$ = new Subject<ProbeOutcome>();
    answer = () => late$;
    const oneFailure = { ...asked, failureThreshold: 1 };
    await policed.create({ healthCheck: oneFailure, restartPolicy: { ...always, backoffMs: 0 } });
    await firstValueFrom(policed.manager.restart('web'));
    await policed.pass(0);
    answer = () => of(success);
    late$.next(failure);
    late$.complete();
    await policed.pass(0);
    expect(await healthOf()).toMatchObject({ status: 'healthy', consecutiveFailures: 0 });
    expect(policed.told().filter((event) => event.includes('restart_policy'))).toEqual([]);
  });

  it('is not asked on Standby, and begins anew with its start period when it is restored', async () => {
    await policed.create({ healthCheck: { ...asked, startPeriodMs: 15_000 } });
    await policed.pass(25_000);
    await firstValueFrom(policed.manager.standby('web'));
    await policed.pass(60_000);
    expect(probes).toHaveLength(3);
    expect(await healthOf()).toEqual({ status: 'unknown', consecutiveSuccesses: 0, consecutiveFailures: 0 });
    answer = () => of(failure);
    await firstValueFrom(policed.manager.restore('web'));
    await policed.pass(39_999);
    expect(await healthOf()).toMatchObject({ status: 'starting', consecutiveFailures: 2 });
    await policed.pass(1);
    expect(await healthOf()).toMatchObject({ status: 'unhealthy', consecutiveFailures: 3 });
  });

  it('has its verdict over managers, which is not asked for at once again', async () => {
    answer = () => of(failure);
    await policed.create({ healthCheck: asked });
    await policed.pass(25_000);
    await policed.reopen();
    expect(await healthOf()).toMatchObject({ status: 'unhealthy', consecutiveFailures: 0 });
    expect(probes).toHaveLength(3);
    answer = () => of(success);
    await policed.pass(10_000);
    expect(probes).toHaveLength(4);
    expect(await healthOf()).toMatchObject({ status: 'healthy' });
  });

  it('is not asked any more without its check, or when it is gone', async () => {
    await policed.create({ healthCheck: asked });
    await firstValueFrom(policed.manager.update('web', { healthCheck: { kind: 'none' } }));
    await policed.pass(60_000);
    expect(probes).toHaveLength(1);
    expect(await policed.status()).toEqual({});
    await firstValueFrom(policed.manager.update('web', { healthCheck: asked }));
    await policed.pass(0);
    await firstValueFrom(policed.manager.delete('web'));
    await policed.pass(60_000);
    expect(probes).toHaveLength(2);
  });

  it('is asked as often as it has to be beside a thousand that do not answer', async () => {
    answer = ({ name }) => (name === 'web' ? of(success) : of(failure).pipe(delay(9_999)));
    const slow = { ...asked, timeoutMs: 10_000 };
    for (let index = 0; index < 1_000; index += 1) {
      await firstValueFrom(
        policed.manager.create({ name: `slow-${String(index)}`, image: 'any', healthCheck: slow }),
      );
    }
    await policed.create({ healthCheck: asked });
    await policed.pass(45_000);
    const counts = new Map<string, number>();
    for (const [name = ''] of probes.map((one) => one.split(' ')))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    expect(counts.get('web')).toBe(5);
    counts.delete('web');
    expect([...new Set(counts.values())]).toEqual([3]);
    expect(counts.size).toBe(1_000);
  });
});

describe('a health check by a program', () => {
  let policed: PolicedManager;

  beforeEach(async () => {
    policed = await openPoliced();
  });

  afterEach(() => policed.close());

  const exec: HealthCheckRequest = { kind: 'exec', command: ['true'] };

  it('is refused for an instance whose machine runs none', async () => {
    const refusal =
      "healthCheck.kind: found 'exec', expected http or tcp: a machine of the driver memory runs no other program";
    await expect(policed.create({ healthCheck: exec })).rejects.toThrow(refusal);
    await policed.create({});
    const updating = firstValueFrom(policed.manager.update('web', { healthCheck: exec }));
    await expect(updating).rejects.toThrow(refusal);
  });
});
