import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance, Json } from '../../src/lifecycle/instance.js';
import type { Told } from './told.js';

/** Holds what was done by itself to what policies allow. */
export interface PolicyAudit {
  /** Takes in what was told. */
  hear(told: Told): void;
  /** What is wrong with the next event of the log. */
  fold(event: LifecycleEvent): readonly string[];
  /** What is wrong with the idle clocks that are kept, by instance. */
  checkClocks(kept: ReadonlyMap<string, Json>, instances: readonly Instance[]): readonly string[];
  /** How often something was done by itself, by `action by, reason`. */
  readonly done: ReadonlyMap<string, number>;
}

/** A client that was answered, so that it was connected. */
interface Visit {
  readonly instanceId: string;
  readonly answeredAt: number;
  leftAt?: number;
  /** The manager lived on long enough to have written what comes of it. */
  isTakenIn?: true;
}

interface Doings {
  /** How often it was started by its policy since somebody did. */
  restarts: number;
  stoppedBy?: string;
  /** When it began to run, or went on. */
  runsSince: number;
}

/** After which a manager has written what it has to. */
const writtenAfterMs = 500;
/** An idle clock is kept after a second. */
const settledAfterMs = 1_000 + writtenAfterMs;

/** Creates a {@link PolicyAudit}. */
export function createPolicyAudit(): PolicyAudit {
  const visits = new Map<number, Visit>();
  const doings = new Map<string, Doings>();
  const done = new Map<string, number>();
  let openedAt = Infinity;
  let lastAt = 0;

  const visitsOf = (id: string): readonly Visit[] =>
    [...visits.values()].filter(({ instanceId }) => instanceId === id);

  const ofRestarts = (event: LifecycleEvent, its: Doings): readonly (readonly [boolean, string])[] => {
    const { action, cause } = event;
    const { spec } = event.instance ?? event.last ?? {};
    const byPolicy = cause.by === 'restart_policy';
    const isRestart = action === 'start' && byPolicy;
    const stoppedBefore = its.stoppedBy;
    if (action === 'stop') its.stoppedBy = cause.by;
    if (action === 'exit') delete its.stoppedBy;
    if (action === 'start') its.restarts = isRestart ? its.restarts + 1 : 0;
    const isMeant = stoppedBefore === undefined || stoppedBefore === 'restart_policy';
    const isForHealth = cause.reason === 'unhealthy';
    return [
      [!isRestart || isMeant, `starts what ${String(stoppedBefore)} stopped`],
      [its.restarts <= (spec?.restartPolicy?.maxAttempts ?? 0), `is the attempt ${String(its.restarts)}`],
      [!byPolicy || action !== 'stop' || isForHealth, 'stops what is not unhealthy'],
      [!byPolicy || !isForHealth || spec?.healthCheck !== undefined, 'judges what has no health check'],
      [!isRestart || isForHealth || stoppedBefore === undefined, 'does not tell that it was unhealthy'],
    ];
  };

  const ofStandby = (event: LifecycleEvent, its: Doings): readonly (readonly [boolean, string])[] => {
    const { action, cause, time, instanceId, instance } = event;
    const isBySelf = action === 'standby' && cause.by === 'auto_standby';
    const policy = instance?.spec.autoStandby;
    const idleTimeoutMs = policy?.enabled === true ? policy.idleTimeoutMs : Infinity;
    const since = Math.max(its.runsSince, instance?.startedAt ?? 0);
    const left = visitsOf(instanceId).map(({ leftAt = 0 }) => (leftAt <= time ? leftAt : 0));
    if (['create', 'start', 'restore', 'ready'].includes(action)) its.runsSince = time;
    if (!isBySelf) return [];
    return [
      [time >= since + idleTimeoutMs, `comes ${String(time - since)} ms after it began to run`],
      [time >= Math.max(0, ...left) + idleTimeoutMs, `comes too soon after a client has left`],
    ];
  };

  return {
    done,
    hear: (told) => {
      if (told.kind === 'opened') {
        [openedAt, lastAt] = [told.at, told.at];
        // What the one before was told last it may not have taken in.
        for (const [key, { isTakenIn }] of visits) if (isTakenIn !== true) visits.delete(key);
      }
      if (told.kind === 'answered') visits.set(told.visit, { instanceId: told.id, answeredAt: told.at });
      if (told.kind === 'left') Object.assign(visits.get(told.visit) ?? {}, { leftAt: told.at });
      if (told.kind === 'phase') lastAt = told.at;
      if (told.kind === 'event') lastAt = Math.max(lastAt, told.event.time);
      for (const visit of visits.values())
        if (lastAt >= visit.answeredAt + writtenAfterMs) visit.isTakenIn = true;
    },

    fold: (event) => {
      const { action, cause, time, instanceId } = event;
      const { spec } = event.instance ?? event.last ?? {};
      const its = doings.get(instanceId) ?? { restarts: 0, runsSince: 0 };
      doings.set(instanceId, its);
      const what = `${action} by ${cause.by}, ${String(cause.reason)}`;
      done.set(what, (done.get(what) ?? 0) + 1);
      const place = `event ${String(event.sequence)} (${action})`;
      return [
        ...ofRestarts(event, its),
        ...ofStandby(event, its),
        [
          cause.by !== 'expiration' || time >= (spec?.expiresAt ?? Infinity),
          'comes before it expires',
        ] as const,
      ].flatMap(([isSo, otherwise]) => (isSo ? [] : [`${place} ${otherwise}`]));
    },

    checkClocks: (kept, instances) => {
      const byId = new Map(instances.map((instance) => [instance.id, instance]));
      const faults = [...kept].flatMap(([id, clock]) => {
        const idleSince = Date.parse((clock as { readonly idle_since: string }).idle_since);
        const forgotten = visitsOf(id).some(
          ({ answeredAt, isTakenIn }) => isTakenIn === true && answeredAt > idleSince,
        );
        return [
          [byId.has(id), `the idle clock of ${id} is of no instance`] as const,
          [idleSince <= Date.now(), `the idle clock of ${id} is ${String(idleSince)}`] as const,
          [!forgotten, `the idle clock of ${id} is from before a client`] as const,
        ].flatMap(([isSo, otherwise]) => (isSo ? [] : [otherwise]));
      });
      const lacking = instances.filter(({ id, state, startedAt = 0, spec: { autoStandby } }) => {
        const left = visitsOf(id).map(({ leftAt = Infinity }) => leftAt);
        const since = Math.max(openedAt, startedAt, doings.get(id)?.runsSince ?? 0, ...left);
        const isIdle = state === 'Running' && autoStandby?.enabled === true;
        return isIdle && lastAt > since + settledAfterMs && !kept.has(id);
      });
      return [...faults, ...lacking.map(({ id }) => `the idle clock of ${id} is not kept`)];
    },
  };
}
