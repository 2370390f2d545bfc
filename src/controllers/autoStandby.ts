import {
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  takeUntil,
} from 'rxjs';
import { optional, wireObject } from '../codecs/wire/wireObject.js';
import { wireTime } from '../codecs/wire/wireTime.js';
import type { ConnectionSource, ConnectionSourceFactory } from '../instances/connectionSource.js';
import type { Controller, ControllerPort, RunningController } from '../instances/controller.js';
import type { AutoStandbyStatus, InstanceStatus } from '../instances/instanceStatus.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import type { AutoStandby } from '../lifecycle/autoStandby.js';
import { InvalidState } from '../lifecycle/errors.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import { type Activity, createConnectionTable } from './connectionTable.js';
import { createController, type Occasion, type Sight, type Verdict } from './controller.js';
import { createInstanceNetwork } from './instanceNetwork.js';
import { Withdrawn } from './withdrawn.js';
import type * as t from 'io-ts';

/** How to make the controller of auto-standby. */
export interface AutoStandbyOptions {
  /** Who knows which clients are connected. Without one nothing is put on standby. */
  readonly sources: readonly (ConnectionSource | ConnectionSourceFactory)[];
  /** The connections that are no clients, for those sources that would take them for such. @defaultValue none */
  readonly own?: Pick<OwnConnections, 'has'>;
  /** How many instances are put on standby at a time. @defaultValue 16 */
  readonly maxConcurrent?: number;
}

/** What is remembered of an instance that may be put on standby. Times are Unix times in milliseconds. */
export interface StandbyMemory {
  readonly idleSince?: number;
  readonly lastInboundAt?: number;
  /** It has been idle for so long that this is kept. */
  readonly isSettled?: true;
  readonly holdUntil?: number;
  /** Its standby waits for its turn, or is under way. */
  readonly isRequested?: true;
}

/** Its connections have changed, or it was asked to be left. */
export type StandbyInput = 'connections' | 'hold';

type Enabled = Extract<AutoStandby, { enabled: true }>;

const name = 'auto_standby';

/** One that comes and goes is not worth a write each time: what is lost of the idle clock when the manager is killed is at most this. */
const settlesAfterMs = 1_000;

const memoryCodec = wireObject('the idle clock of auto-standby', {
  idleSince: optional('idle_since', wireTime),
  lastInboundAt: optional('last_inbound_at', wireTime),
}) as t.Type<StandbyMemory, Json>;

/**
 * Puts instances on standby to which nobody was connected for the `idleTimeoutMs` of their `autoStandby`. Before it does so the tables of
 * all sources are read once more, and while the standby waits for its turn a connection or a `hold` calls it off; one that can't be read
 * counts as used. hypeman's controller (`lib/autostandby`).
 */
export const createAutoStandby = (options: AutoStandbyOptions): Controller => ({
  name,
  open: (port) => opened(options, port),
});

function opened(
  { sources, own = { has: () => false }, maxConcurrent }: AutoStandbyOptions,
  port: ControllerPort,
): RunningController {
  const network = createInstanceNetwork(port, own);
  const made = sources.map((source) => (typeof source === 'function' ? source(network) : source));
  const table = createConnectionTable(made, port.logger);
  const needsNetwork = sources.some((source) => typeof source === 'function');
  // Where machines are is known before the tables are read.
  const changes$ = merge(needsNetwork ? network.run$ : EMPTY, table.changes$);
  const executing = new Set<string>();

  const standby = ({ id, revision }: Instance, reason: string): Observable<Instance> =>
    defer(() => {
      executing.add(id);
      return port.instances.standby(id, { reason, expectedRevision: revision });
    });

  /** One that has begun runs to its end, whoever comes: what it came to is known once it is over. */
  const outcomeOf = (id: string): Observable<Instance> =>
    defer(() => {
      if (!executing.has(id)) throw new Withdrawn();
      return port.instances.refresh(id);
    }).pipe(
      map((instance) => {
        if (instance.state !== 'Standby') throw new Withdrawn();
        return instance;
      }),
    );

  const rules = createController<StandbyMemory, StandbyInput>({
    name,
    field: 'autoStandby',
    memory: memoryCodec,
    kept: keptOf,
    ...(maxConcurrent !== undefined && { concurrency: maxConcurrent }),
    decide: (sight, occasion) => decideStandby(sight, table.activityOf(sight.instance), occasion),
    inputs: () => changes$.pipe(map((instanceId) => ({ instanceId, input: 'connections' }))),
    perform: ({ reason }, { instance }, _, unwanted$) => {
      const calledOff$ = unwanted$.pipe(filter((seen) => seen.instance.state === 'Running'));
      const done$ = concat(table.confirm(), standby(instance, reason)).pipe(takeUntil(calledOff$));
      return done$.pipe(
        defaultIfEmpty(undefined),
        mergeMap((done) => (done === undefined ? outcomeOf(instance.id) : of(done))),
        finalize(() => executing.delete(instance.id)),
      );
    },
    status: (sight) => statusOf(sight, table.activityOf(sight.instance), executing.has(sight.instance.id)),
    hold: ({ instance: { id, state } }) => {
      if (!executing.has(id)) return 'hold';
      const remedy = 'it is being put on standby, and can be restored then';
      throw new InvalidState({ instanceId: id, state, verb: 'hold', remedy });
    },
  });
  return rules.open(port);
}

/** The rules of auto-standby. */
export function decideStandby(
  { instance, memory = {}, now }: Sight<StandbyMemory>,
  activity: Activity,
  occasion: Occasion<StandbyInput>,
): Verdict<StandbyMemory> {
  const policy = instance.spec.autoStandby;
  if (!isEnabled(policy) || whyNot(instance) !== undefined || activity.trouble === 'unsupported_platform')
    return {};
  const isHold = occasion.kind === 'input' && occasion.input === 'hold';
  const longest = now + policy.idleTimeoutMs;
  const holdUntil = isHold ? longest : memory.holdUntil && Math.min(memory.holdUntil, longest);
  const lastInboundAt = activity.lastInboundAt ?? memory.lastInboundAt;
  const known: StandbyMemory = {
    ...(lastInboundAt !== undefined && { lastInboundAt }),
    ...(holdUntil !== undefined && holdUntil > now && { holdUntil }),
  };
  if (activity.active > 0) return { memory: known };
  const idleSince = occasion.kind === 'failed' ? now : idleSinceOf(instance, memory, now);
  const settlesAt = idleSince + settlesAfterMs;
  const idle: StandbyMemory = { ...known, idleSince, ...(now >= settlesAt && { isSettled: true }) };
  const at = nextStandbyAt(policy, idle);
  if (now >= at) return { memory: { ...idle, isRequested: true }, act: { verb: 'standby', reason: 'idle' } };
  return { memory: idle, at: now < settlesAt ? Math.min(at, settlesAt) : at };
}

const isEnabled = (policy: AutoStandby | undefined): policy is Enabled => policy?.enabled === true;

/** Why an instance with an enabled policy is left as it is. */
function whyNot({ state, spec: { ports = [] } }: Instance): AutoStandbyStatus['reason'] | undefined {
  if (state !== 'Running') return 'instance_not_running';
  return ports.length === 0 ? 'network_disabled' : undefined;
}

/** A clock that was set back must not keep it awake, nor one of an earlier run put it to sleep. */
const idleSinceOf = ({ startedAt = 0 }: Instance, { idleSince }: StandbyMemory, now: number): number =>
  Math.min(Math.max(idleSince ?? now, startedAt > now ? 0 : startedAt), now);

const nextStandbyAt = ({ idleTimeoutMs }: Enabled, { idleSince = 0, holdUntil = 0 }: StandbyMemory): number =>
  Math.max(idleSince + idleTimeoutMs, holdUntil);

/** The idle clock, once it is worth a write. */
function keptOf({ isSettled, idleSince, lastInboundAt }: StandbyMemory): StandbyMemory | undefined {
  if (isSettled !== true || idleSince === undefined) return undefined;
  return { idleSince, ...(lastInboundAt !== undefined && { lastInboundAt }) };
}

/** In hypeman's order. */
export function statusOf(
  { instance, memory = {}, now }: Sight<StandbyMemory>,
  { active, trouble }: Activity,
  isExecuting: boolean,
): InstanceStatus {
  const policy = instance.spec.autoStandby;
  if (policy === undefined) return {};
  const { isSettled: _, isRequested, ...clock } = memory;
  const told = (
    status: AutoStandbyStatus['status'],
    reason: AutoStandbyStatus['reason'],
    more?: Pick<AutoStandbyStatus, 'nextStandbyAt'>,
  ): InstanceStatus => ({
    autoStandby: { status, reason, activeConnections: active, ...clock, ...more },
  });
  if (trouble === 'unsupported_platform') return told('unsupported', trouble);
  if (!policy.enabled) return told('disabled', 'policy_disabled');
  const reason = whyNot(instance);
  if (reason !== undefined) return told('ineligible', reason);
  if (isExecuting || isRequested === true) return told('standby_requested', 'ready_for_standby');
  if (trouble !== undefined) return told('error', trouble);
  if (active > 0) return told('active', 'active_inbound_connections');
  const at = nextStandbyAt(policy, memory);
  const next = { nextStandbyAt: at };
  return now < at
    ? told('idle_countdown', 'idle_timeout_not_elapsed', next)
    : told('ready_for_standby', 'ready_for_standby', next);
}
