import * as fc from 'fast-check';
import { errorClasses, type Fault } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { ExitStatus, Instance, InstanceSpec, Json } from '../../src/lifecycle/instance.js';
import { changeOf, type InstanceChange } from '../../src/lifecycle/instanceChange.js';
import type { Snapshot } from '../../src/lifecycle/snapshot.js';
import { actions, states } from '../../src/lifecycle/state.js';

const letters = Array.from('abcdefghijklmnopqrstuvwxyz');
const digits = Array.from('0123456789');
const id = fc
  .tuple(
    fc.constantFrom(...letters),
    fc.array(fc.constantFrom(...letters, ...digits), { minLength: 23, maxLength: 23 }),
  )
  .map(([first, rest]) => [first, ...rest].join(''));
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const text = fc.string({ unit: 'binary', maxLength: 12 });
const texts = fc.dictionary(text, text, { maxKeys: 4 });
const time = fc.integer({ min: -8.64e15, max: 8.64e15 });
const sequence = fc.maxSafeNat();
/** What comes back from JSON as it was. */
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);
const state = fc.constantFrom(...states);

const readiness = fc.record(
  {
    kind: fc.constantFrom('log', 'tcp', 'http'),
    pattern: text,
    port: fc.nat(65_535),
    path: text,
    timeoutMs: fc.nat(),
  },
  { requiredKeys: ['kind'] },
);

/** Fields of drivers as they are, and some that only a driver of others can know. */
const driverFields = fc.record(
  {
    ...{ entrypoint: fc.array(text), cmd: fc.array(text), cwd: text, readiness, stopSignal: text },
    ...{
      output: fc.constantFrom('pipes', 'file'),
      stopGraceMs: fc.nat(),
      memoryMiB: fc.nat(),
      vcpus: fc.nat(),
    },
    ...{ kernelArguments: fc.array(text), ports: fc.array(fc.record({ guest: fc.nat(), host: fc.nat() })) },
    ...{ accel: text, network: text, runTimeoutMs: fc.nat() },
    ...{ state: json, stop_signal: json, gpuCount: json, driver_fields: json, others: json, id: json },
  },
  { requiredKeys: [] },
);

const milliseconds = fc.maxSafeNat();
const clocks = {
  ...{ intervalMs: milliseconds, timeoutMs: milliseconds, startPeriodMs: milliseconds },
  ...{ failureThreshold: fc.nat(), successThreshold: fc.nat() },
};
const policies = fc.record(
  {
    restartPolicy: fc.record(
      {
        policy: fc.constantFrom('always', 'on_failure'),
        ...{ backoffMs: milliseconds, maxBackoffMs: milliseconds },
        ...{ maxAttempts: fc.nat(), stableAfterMs: milliseconds },
      },
      { requiredKeys: ['policy', 'backoffMs', 'maxAttempts', 'stableAfterMs'] },
    ),
    autoStandby: fc.oneof(
      fc.record({ enabled: fc.constant(false) }),
      fc.record({
        ...{ enabled: fc.constant(true), idleTimeoutMs: milliseconds },
        ...{ ignoreSourceCidrs: fc.array(text), ignoreDestinationPorts: fc.array(fc.nat()) },
      }),
    ),
    healthCheck: fc.oneof(
      fc.record({
        ...{ kind: fc.constant('http'), port: fc.nat(), path: text, expectedStatus: fc.nat(), ...clocks },
        scheme: fc.constantFrom('http', 'https'),
      }),
      fc.record({ kind: fc.constant('tcp'), port: fc.nat(), ...clocks }),
      fc.record(
        { kind: fc.constant('exec'), command: fc.array(text), cwd: text, ...clocks },
        { requiredKeys: ['kind', 'command', ...(Object.keys(clocks) as (keyof typeof clocks)[])] },
      ),
    ),
    expiresAt: time,
  },
  { requiredKeys: [] },
);

const spec = fc
  .tuple(driverFields, policies, fc.record({ driver: text, image: text, env: texts, tags: texts }))
  .map(([fields, policed, base]) => ({ ...fields, ...policed, ...base }) as unknown as InstanceSpec);

const exit: fc.Arbitrary<ExitStatus> = fc.record(
  {
    code: fc.option(fc.nat()),
    signal: fc.option(text),
    timedOut: fc.constantFrom('readiness' as const, 'run' as const),
    stoppedBy: text,
  },
  { requiredKeys: ['code', 'signal'] },
);

/** Any instance. */
export const anyInstance: fc.Arbitrary<Instance> = fc.record(
  {
    ...{ id, name, spec, state, stateError: text, revision: sequence, createdAt: time, startedAt: time },
    ...{ readyBy: time, stoppedAt: time, exit, handle: fc.dictionary(text, json, { maxKeys: 3 }) },
    wasReady: fc.constant(false as const),
  },
  { requiredKeys: ['id', 'name', 'spec', 'state', 'revision', 'createdAt'] },
);

/** Any snapshot. */
export const anySnapshot: fc.Arbitrary<Snapshot> = fc.record(
  {
    ...{ id, instanceId: id, instanceName: name, name, kind: fc.constantFrom('Stopped', 'Standby') },
    ...{ createdAt: time, spec, tags: texts, size: sequence, hash: text, data: json },
  },
  {
    requiredKeys: [
      ...(['id', 'instanceId', 'instanceName', 'kind', 'createdAt', 'spec'] as const),
      ...(['tags', 'size', 'hash', 'data'] as const),
    ],
  },
);

const cause = fc.record(
  { by: text, reason: text, requestId: text, traceparent: text },
  { requiredKeys: ['by'] },
);
const place = fc.record({ epoch: text, sequence, time, cause });

/** Any event. */
export const anyEvent: fc.Arbitrary<LifecycleEvent> = fc
  .tuple(fc.constantFrom(...actions), place, anyInstance, anySnapshot, state, fc.boolean())
  .map(([action, at, instance, snapshot, previousState, isKnown]) => {
    const common = { ...at, instanceId: instance.id };
    const from = isKnown ? { snapshotId: snapshot.id } : {};
    if (action === 'create_snapshot' || action === 'delete_snapshot')
      return { ...at, action, instanceId: snapshot.instanceId, snapshot };
    if (action === 'create' || action === 'fork') return { ...common, action, instance, ...from };
    if (action !== 'delete') return { ...common, action, instance, previousState, ...from };
    return { ...common, action, previousState, ...(isKnown && { last: instance }) };
  });

/** Anything that a watch emits. */
export const anyChange: fc.Arbitrary<InstanceChange> = fc.oneof(
  fc.record({
    kind: fc.constant('snapshot' as const),
    instances: fc.array(anyInstance, { maxLength: 3 }),
    cursor: fc.record({ epoch: text, sequence }),
  }),
  anyEvent.map(changeOf).filter((change) => change !== undefined),
  // It has left a filter.
  fc.tuple(anyEvent, anyInstance).map(([event, last]) => ({
    kind: 'removed' as const,
    instanceId: event.instanceId,
    last,
    event,
  })),
  fc.constant({ kind: 'closing' as const }),
);

const fault: fc.Arbitrary<Fault> = fc.record({ path: text, found: text, expected: text });
const faults = fc.array(fault, { maxLength: 12 });
const instanceId = text;
const verb = text;
const reason = text;

/** Fields of every error. */
const fields = {
  InvalidRequest: fc.record({ faults }),
  InstanceNotFound: fc.record({ idOrName: text }),
  AmbiguousName: fc.record({ idOrName: text, matches: fc.array(text) }),
  NameTaken: fc.record({ taken: text }),
  Conflict: fc.record({ instanceId, revision: sequence, expectedRevision: sequence }),
  InvalidState: fc.record({ instanceId, state, verb, remedy: text }),
  NotSupported: fc.record({ driver: text, verb, reason }),
  LaunchFailed: fc.record({ reason }),
  FileFailed: fc.record({ verb: fc.string(), path: fc.string(), code: fc.string() }),
  ExecFailed: fc.record({ reason, code: fc.constantFrom(126 as const, 127 as const) }),
  DriverFailed: fc.record({ instanceId, verb }),
  LogNotFound: fc.record({ source: text, sources: fc.array(text) }),
  LogUnreadable: fc.record({ path: text, found: text }),
  SubscriberLagged: fc.record({ capacity: fc.nat(), missed: fc.nat() }),
  SnapshotNotFound: fc.record({ snapshotId: text }),
  WebhookNotFound: fc.record({ webhookId: text }),
  SnapshotDamaged: fc.record({ snapshotId: text, differences: faults }),
  SnapshotIncompatible: fc.record({ differences: faults }),
  StoreFailed: fc.record({ reason }),
  DataDirLocked: fc.record(
    { dataDir: text, holder: fc.record({ pid: fc.nat(), host: text, since: time }) },
    { requiredKeys: ['dataDir'] },
  ),
  CursorExpired: fc.record({ cursor: fc.record({ epoch: text, sequence }), oldest: sequence, epoch: text }),
  ManagerClosed: fc.constant({}),
  StateUnreadable: fc.record({ instanceId }),
  ConsumerTaken: fc.record({ consumer: text }),
  TooManyConsumers: fc.record({ consumer: text, limit: fc.nat() }),
  ApiFailed: fc.record({ reason: text, status: fc.nat(), code: text }, { requiredKeys: ['reason'] }),
} satisfies Record<keyof typeof errorClasses, fc.Arbitrary<object>>;

type AnyClass = new (fields: object, options?: ErrorOptions) => Error;

const withoutCause: fc.Arbitrary<Error> = fc.oneof(
  text.map((message) => new Error(message)),
  ...Object.entries(fields).map(([tag, of]) =>
    (of as fc.Arbitrary<object>).map(
      (its) => new (errorClasses[tag as keyof typeof errorClasses] as AnyClass)(its),
    ),
  ),
);

/** Any error of ours, and some that are not, with causes of any kind. */
export const anyError: fc.Arbitrary<Error> = fc
  .array(withoutCause, { minLength: 1, maxLength: 4 })
  .map((errors) =>
    errors.reduceRight((cause, error) => {
      const { constructor, message, ...own } = error as Error & { readonly constructor: AnyClass };
      return error.name === 'Error' ? new Error(message, { cause }) : new constructor(own, { cause });
    }),
  );
