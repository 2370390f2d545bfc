import * as t from 'io-ts';
import { isDeepStrictEqual } from 'node:util';
import { map, type Observable, of, Subject } from 'rxjs';
import { wireHealthCheck } from '../codecs/policies/healthCheck.js';
import { optional, required, wireObject } from '../codecs/wire/wireObject.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import type { Controller } from '../instances/controller.js';
import type { HealthStatus, InstanceStatus } from '../instances/instanceStatus.js';
import type { HealthCheck } from '../lifecycle/healthCheck.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import { onOneLine } from '../lifecycle/onOneLine.js';
import { type Act, createController, type Occasion, type Sight, type Verdict } from './controller.js';
import type { Probe } from './probes/probe.js';
import type { ProbeOutcome } from './probes/probeOutcome.js';
import type { HealthInput } from './restartPolicy.js';

/** What is remembered of an instance that is asked how it is, from a start or a restore on until it does not run any more. */
export interface HealthMemory {
  /** The check under which it is: another one begins anew. */
  readonly check: HealthCheck;
  /** Of the instance: another one is another run. */
  readonly startedAt?: number;
  /** The revision at which it began to be asked. What was asked before goes for nothing. */
  readonly generation: number;
  /** From when on its start period counts. */
  readonly beganAt: number;
  readonly verdict?: 'healthy' | 'unhealthy';
  /** How far it is with it. It is not kept: the next manager counts from the beginning. */
  readonly progress?: HealthProgress;
}

/** What the last probes have found. Times are Unix times in milliseconds. */
export interface HealthProgress {
  readonly nextAt: number;
  readonly successes: number;
  readonly failures: number;
  /** The verdict that was told last. */
  readonly told?: 'healthy' | 'unhealthy';
  /** The verdict has to be told, also where it was before. */
  readonly isToBeTold?: true;
  readonly lastCheckedAt?: number;
  readonly lastSuccessAt?: number;
  readonly lastFailureAt?: number;
  readonly lastError?: string;
}

/** What came of a probe. */
interface Probed {
  readonly generation: number;
  /** Whether a failure counts. */
  readonly counts: boolean;
  readonly outcome: ProbeOutcome;
}

/** The controller of health checks, and what it finds. */
export interface HealthChecks {
  readonly controller: Controller;
  /** Emits each verdict that is new, and each probe after which an instance is unhealthy still; for {@link createRestartPolicy}. */
  readonly health$: Observable<{ readonly instanceId: string; readonly input: HealthInput }>;
}

const name = 'health_check';

/** More than that are asked only after others have answered: each takes a connection. Of programs the driver runs less. */
const mostAtOnce = 1_024;

/** In bytes. */
const longestError = 512;

/** Short of what changes with every probe, so that none of them is written. */
const keptOf = ({ progress: _, ...memory }: HealthMemory): HealthMemory | undefined =>
  memory.verdict === undefined ? undefined : memory;

const memoryCodec = wireObject('the verdict of a health check', {
  check: required('check', wireHealthCheck),
  startedAt: optional('started_at', wireTime),
  generation: required('generation', t.number),
  beganAt: required('began_at', wireTime),
  verdict: optional('verdict', t.keyof({ healthy: null, unhealthy: null })),
}) as t.Type<HealthMemory, Json>;

/**
 * Asks instances how they are, as their `healthCheck` says, while they are Running: before that they are starting, however long that takes. A
 * start, a restore and another check begin anew: at once there is a first probe, and each next one an interval after the end of the
 * one before. An instance that does not answer holds up no other. A verdict is told when it changes; it changes no state, and what is
 * unhealthy is restarted by its restart policy only. hypeman's check (`lib/healthcheck`).
 *
 * A failure counts neither in the start period nor where this host is to blame for it. The verdict outlives the manager; how many probes
 * in a row have told the same does not.
 *
 * @param probe - asks once
 */
export function createHealthChecks(probe: Probe): HealthChecks {
  const health$ = new Subject<{ readonly instanceId: string; readonly input: HealthInput }>();
  const controller = createController<HealthMemory>({
    name,
    field: 'healthCheck',
    memory: memoryCodec,
    kept: keptOf,
    concurrency: mostAtOnce,
    decide: decideHealth,
    status: statusOf,
    perform: ({ verb, isQuiet }, { instance, memory, now }, port) => {
      if (memory === undefined) return of(undefined);
      const { check, generation, progress } = memory;
      if (verb === 'probe') {
        const counts = countsFailures(memory, now);
        return probe(instance, check, port).pipe(map((outcome): Probed => ({ generation, counts, outcome })));
      }
      const { id: instanceId, revision } = instance;
      if (isQuiet !== true) {
        const fields = { controller: name, instanceId, lastError: progress?.lastError };
        port.logger.info(fields, `an instance is ${verb}`);
      }
      health$.next({ instanceId, input: { isHealthy: verb === 'healthy', revision } });
      return of(undefined);
    },
  });
  return { controller, health$ };
}

/** The rules of health checks. */
export function decideHealth(
  { instance, memory, now }: Sight<HealthMemory>,
  occasion: Occasion<never>,
): Verdict<HealthMemory> {
  const check = instance.spec.healthCheck;
  if (check === undefined || instance.state !== 'Running') return {};
  const isSame = memory !== undefined && isOfThisRun(memory, instance, check) && !isNewRun(occasion);
  const known = isSame ? resumed({ ...memory, check }, now) : begun(instance, check, now, occasion);
  return next(occasion.kind === 'done' ? heard(known, occasion, now) : known, now, occasion.kind === 'turn');
}

const isOfThisRun = (memory: HealthMemory, { startedAt }: Instance, check: HealthCheck): boolean =>
  memory.startedAt === startedAt && (memory.check === check || isSameCheck(memory.check, check));

const isSameCheck = (one: HealthCheck, other: HealthCheck): boolean =>
  isDeepStrictEqual(wireHealthCheck.encode(one), wireHealthCheck.encode(other));

/** Of what happened while nobody watched nothing is told; then its `startedAt` shows a start. */
const isNewRun = (occasion: Occasion<never>): boolean =>
  occasion.kind === 'changed' && (occasion.action === 'start' || occasion.action === 'restore');

type Going = HealthMemory & Required<Pick<HealthMemory, 'progress'>>;

function begun(
  { startedAt, revision }: Instance,
  check: HealthCheck,
  now: number,
  occasion: Occasion<never>,
): Going {
  const isRestored = occasion.kind === 'changed' && occasion.action === 'restore';
  return {
    check,
    ...(startedAt !== undefined && { startedAt }),
    generation: revision,
    beganAt: isRestored ? now : Math.min(startedAt ?? now, now),
    progress: { nextAt: now, successes: 0, failures: 0 },
  };
}

/** What an earlier manager has found is not asked for at once. */
function resumed(memory: HealthMemory, now: number): Going {
  const { check, verdict, progress } = memory;
  const latest = now + check.intervalMs;
  if (progress === undefined) {
    const told = verdict && { told: verdict };
    return { ...memory, progress: { nextAt: latest, successes: 0, failures: 0, ...told } };
  }
  // Where the clock was set back it would wait for that time again.
  return { ...memory, progress: progress.nextAt > latest ? { ...progress, nextAt: latest } : progress };
}

function next(memory: Going, now: number, isTurn: boolean): Verdict<HealthMemory> {
  const { progress, verdict } = memory;
  const { isToBeTold, ...rest } = progress;
  if (isToBeTold === true && verdict !== undefined) {
    const reason = verdict === 'healthy' ? 'probe_succeeded' : 'probe_failed';
    const act: Act = { verb: verdict, reason, isQuiet: verdict === progress.told };
    return { memory: isTurn ? { ...memory, progress: { ...rest, told: verdict } } : memory, act };
  }
  return now < progress.nextAt
    ? { memory, at: progress.nextAt }
    : { memory, act: { verb: 'probe', reason: 'interval', isQuiet: true } };
}

/** Before that, to fail is part of a start. */
const countsFailures = ({ beganAt, check }: HealthMemory, now: number): boolean =>
  now >= beganAt + check.startPeriodMs;

function heard(
  known: Going,
  { verb, result }: Extract<Occasion<never>, { kind: 'done' }>,
  now: number,
): Going {
  if (verb !== 'probe') return known;
  const { generation, counts, outcome } = result as Probed;
  if (generation !== known.generation) return known;
  const { check, progress, verdict } = known;
  const { lastError: _, ...before } = progress;
  const after = { ...before, nextAt: now + check.intervalMs, lastCheckedAt: now };
  if (outcome.kind === 'success') {
    const successes = progress.successes + 1;
    const isHealthy = successes >= check.successThreshold;
    const judged = { ...after, successes, failures: 0, lastSuccessAt: now };
    return toBeTold({ ...known, progress: judged }, isHealthy ? 'healthy' : verdict);
  }
  const lastError = shortened(outcome.error);
  if (outcome.kind === 'unasked') return { ...known, progress: { ...after, lastError } };
  const failures = counts ? progress.failures + 1 : 0;
  const isUnhealthy = failures >= check.failureThreshold;
  const judged = { ...after, successes: 0, failures, lastFailureAt: now, lastError };
  return toBeTold({ ...known, progress: judged }, isUnhealthy ? 'unhealthy' : verdict);
}

/** Told is what changes, and again and again what is unhealthy: an attempt to restart it may have failed. */
function toBeTold(memory: Going, verdict: HealthMemory['verdict']): Going {
  if (verdict === undefined) return memory;
  const { progress } = memory;
  const isNews = verdict !== progress.told || verdict === 'unhealthy';
  return { ...memory, verdict, progress: isNews ? { ...progress, isToBeTold: true } : progress };
}

function shortened(error: string): string {
  let short = onOneLine(error, longestError);
  while (Buffer.byteLength(short) > longestError) short = onOneLine(short, short.length - 1);
  return short;
}

function statusOf({ instance, memory }: Sight<HealthMemory>): InstanceStatus {
  if (instance.spec.healthCheck === undefined) return {};
  const { successes = 0, failures = 0, ...rest } = memory?.progress ?? {};
  const { lastCheckedAt, lastSuccessAt, lastFailureAt, lastError } = rest as Partial<HealthProgress>;
  const status: HealthStatus = {
    status: wordFor(instance, memory),
    consecutiveSuccesses: successes,
    consecutiveFailures: failures,
    ...(lastCheckedAt !== undefined && { lastCheckedAt }),
    ...(lastSuccessAt !== undefined && { lastSuccessAt }),
    ...(lastFailureAt !== undefined && { lastFailureAt }),
    ...(lastError !== undefined && { lastError }),
  };
  return { healthCheck: status };
}

function wordFor({ state }: Instance, memory: HealthMemory | undefined): HealthStatus['status'] {
  if (state === 'Initializing') return 'starting';
  return state === 'Running' ? (memory?.verdict ?? 'starting') : 'unknown';
}
