import * as t from 'io-ts';
import { isDeepStrictEqual } from 'node:util';
import type { Observable } from 'rxjs';
import { wireRestartPolicy } from '../codecs/policies/restartPolicy.js';
import type { Controller } from '../instances/controller.js';
import type { InstanceStatus, RestartStatus } from '../instances/instanceStatus.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import type { RestartPolicy } from '../lifecycle/restartPolicy.js';
import { createController, type Occasion, type Sight, type Verdict } from './controller.js';
import { optional, required, wireObject } from '../codecs/wire/wireObject.js';
import { wireTime } from '../codecs/wire/wireTime.js';

/** What is remembered of an instance that was started again, or is about to be. */
export interface RestartMemory {
  /** The policy under which it was: another one begins anew. */
  readonly policy: RestartPolicy;
  readonly attempts: number;
  readonly lastAttemptAt?: number;
  readonly nextAttemptAt?: number;
  readonly lastReason?: 'exit' | 'unhealthy';
  /** It runs, and has to be started again all the same. */
  readonly isUnhealthy?: true;
}

/** Whether an instance does its work, as its health check finds it. */
export interface HealthInput {
  readonly isHealthy: boolean;
  /** The revision of the instance that was judged: what is found of an earlier one goes for no later one. */
  readonly revision: number;
}

const name = 'restart_policy';

const memoryCodec = wireObject('the attempts of a restart policy', {
  policy: required('policy', wireRestartPolicy),
  attempts: required('attempts', t.number),
  lastAttemptAt: optional('last_attempt_at', wireTime),
  nextAttemptAt: optional('next_attempt_at', wireTime),
  lastReason: optional('last_reason', t.keyof({ exit: null, unhealthy: null })),
  isUnhealthy: optional('is_unhealthy', t.literal(true)),
}) as t.Type<RestartMemory, Json>;

/**
 * Starts instances again that ended by themselves, and those that are unhealthy, as their `restartPolicy` says. One that somebody has
 * stopped stays Stopped until somebody starts it; one that a closing manager has stopped is started again by `always`. hypeman's
 * policy (`lib/restartpolicy`), driven by events, with a back-off that grows where `maxBackoffMs` is given.
 *
 * @param health$ - what health checks find
 */
export const createRestartPolicy = (
  health$: Observable<{ readonly instanceId: string; readonly input: HealthInput }>,
): Controller =>
  createController<RestartMemory, HealthInput>({
    name,
    field: 'restartPolicy',
    memory: memoryCodec,
    decide: decideRestart,
    inputs: () => health$,
    status: statusOf,
  });

/** The rules of the restart policy. */
export function decideRestart(
  { instance, memory, now }: Sight<RestartMemory>,
  occasion: Occasion<HealthInput>,
): Verdict<RestartMemory> {
  const policy = instance.spec.restartPolicy;
  if (policy === undefined) return {};
  const isKnown = memory !== undefined && isSame(memory.policy, policy) && !isManualStart(occasion);
  const known: RestartMemory = isKnown ? memory : { policy, attempts: 0 };
  switch (instance.state) {
    case 'Stopped':
      return wantsStart(instance, policy)
        ? attempt(instance, known, 'exit', now, occasion.kind === 'turn')
        : {};
    case 'Initializing':
    case 'Running':
      return running(instance, heard(known, instance, occasion), now, occasion.kind === 'turn');
    default:
      // Whoever goes on after that is another, of whom nothing is known.
      return { memory: kept(doubtless(known)) };
  }
}

const isSame = (one: RestartPolicy, other: RestartPolicy): boolean =>
  isDeepStrictEqual(wireRestartPolicy.encode(one), wireRestartPolicy.encode(other));

/** Somebody has started it, who counts from the beginning. */
const isManualStart = (occasion: Occasion<unknown>): boolean =>
  occasion.kind === 'changed' &&
  occasion.action === 'start' &&
  occasion.cause !== undefined &&
  occasion.cause.by !== name &&
  occasion.cause.by !== 'recovery';

function wantsStart({ exit }: Instance, { policy }: RestartPolicy): boolean {
  // It never ran.
  if (exit === undefined) return false;
  // The first half of a restart, of which the second has failed.
  if (exit.stoppedBy === name) return true;
  if (exit.stoppedBy === 'close') return policy === 'always';
  if (exit.stoppedBy !== undefined) return false;
  return policy === 'always' || exit.code !== 0;
}

const isManualStop = (stoppedBy: string | undefined): boolean =>
  stoppedBy !== undefined && stoppedBy !== name && stoppedBy !== 'close';

function heard(known: RestartMemory, { revision }: Instance, occasion: Occasion<HealthInput>): RestartMemory {
  if (occasion.kind !== 'input' || occasion.input.revision < revision) return known;
  return occasion.input.isHealthy ? doubtless(known) : { ...known, isUnhealthy: true };
}

const doubtless = ({ isUnhealthy: _, ...rest }: RestartMemory): RestartMemory => rest;

function running(
  instance: Instance,
  known: RestartMemory,
  now: number,
  isTurn: boolean,
): Verdict<RestartMemory> {
  if (known.isUnhealthy === true) return attempt(instance, known, 'unhealthy', now, isTurn);
  const { nextAttemptAt: _, ...memory } = known;
  const { startedAt = 0 } = instance;
  const stableAt = Math.max(startedAt, memory.lastAttemptAt ?? 0) + memory.policy.stableAfterMs;
  return memory.attempts === 0 || now >= stableAt ? {} : { memory, at: stableAt };
}

/** Tries once more when the back-off is over. It is counted when it has its turn, before it begins: a manager that is killed counts it too. */
function attempt(
  instance: Instance,
  known: RestartMemory,
  reason: 'exit' | 'unhealthy',
  now: number,
  isTurn: boolean,
): Verdict<RestartMemory> {
  const { policy, attempts } = known;
  const { nextAttemptAt: _, ...unplanned } = known;
  if (isExhausted(known)) return { memory: unplanned };
  const backoffMs = backoffOf(policy, attempts, instance.id);
  const ended = reason === 'exit' ? instance.stoppedAt : undefined;
  const from = Math.max(ended ?? 0, known.lastAttemptAt ?? 0);
  // Where the clock was set back it would wait for that time again.
  const at = from === 0 ? now : Math.min(from + backoffMs, now + backoffMs, known.nextAttemptAt ?? Infinity);
  if (at > now) return { memory: { ...known, nextAttemptAt: at }, at };
  const act = { verb: reason === 'exit' ? 'start' : 'restart', reason };
  if (!isTurn) return { memory: known, act };
  const { isUnhealthy: __, ...begun } = unplanned;
  return { memory: { ...begun, attempts: attempts + 1, lastAttemptAt: now, lastReason: reason }, act };
}

const isExhausted = ({ policy: { maxAttempts }, attempts }: RestartMemory): boolean =>
  maxAttempts > 0 && attempts >= maxAttempts;

/** What begins anew is not worth remembering. */
const kept = (memory: RestartMemory): RestartMemory | undefined =>
  memory.attempts === 0 && memory.isUnhealthy !== true ? undefined : memory;

/** How long to wait before the next attempt. Chance is of the instance and the attempt, so that it is the same whenever it is asked for. */
function backoffOf({ backoffMs, maxBackoffMs }: RestartPolicy, attempts: number, id: string): number {
  if (maxBackoffMs === undefined) return backoffMs;
  const longest = Math.min(backoffMs * 2 ** attempts, maxBackoffMs);
  return Math.round(longest * (1 - chanceOf(`${id}${String(attempts)}`) / 2));
}

/** FNV-1a, as a number from 0 to 1. */
function chanceOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) / 2 ** 32;
}

function statusOf({ instance, memory }: Sight<RestartMemory>): InstanceStatus {
  const { restartPolicy } = instance.spec;
  if (restartPolicy === undefined) return {};
  const { attempts = 0, lastAttemptAt, nextAttemptAt, lastReason } = memory ?? {};
  const blockedReason = blockedReasonOf(instance, memory);
  const status: RestartStatus = {
    attempts,
    ...(lastAttemptAt !== undefined && { lastAttemptAt }),
    ...(nextAttemptAt !== undefined && { nextAttemptAt }),
    ...(blockedReason !== undefined && { blockedReason }),
    ...(lastReason !== undefined && { lastReason }),
  };
  return { restartPolicy: status };
}

function blockedReasonOf(
  { state, exit }: Instance,
  memory: RestartMemory | undefined,
): RestartStatus['blockedReason'] {
  if (state === 'Stopped' && isManualStop(exit?.stoppedBy)) return 'manual_stop';
  const wants = state === 'Stopped' || memory?.isUnhealthy === true;
  return wants && memory !== undefined && isExhausted(memory) ? 'max_attempts_exceeded' : undefined;
}
