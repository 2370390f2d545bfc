import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import { withKeys } from '../codecs/anotherKey.js';
import { closed, isRecord } from '../codecs/closed.js';
import { commonFields, commonFieldsAs } from '../codecs/commonFields.js';
import { decode, decodeOrThrow, found } from '../codecs/decode.js';
import { described } from '../codecs/described.js';
import { id } from '../codecs/id.js';
import { exceeded } from '../codecs/measure.js';
import { name as anyName } from '../codecs/name.js';
import { integer, oneOf, text } from '../codecs/scalars.js';
import type { Driver, LogReading } from '../drivers/driver.js';
import { callKeys } from './callOptions.js';
import type { ForkRequest, ListOptions } from '../instances/instanceRequests.js';
import type { RunOptions } from '../instances/runRequest.js';
import type { AutoStandby } from '../lifecycle/autoStandby.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { type Fault, InvalidRequest, NotSupported } from '../lifecycle/errors.js';
import type { BaseSpec, HeldSecrets, InstanceSpec } from '../lifecycle/instance.js';
import type { SecretValues } from '../store/secretStore.js';
import { callback } from '../codecs/callback.js';
import { instanceFilterKeys } from '../streams/instanceFilter.js';
import type { CloseOptions } from './options.js';

/** A request to create that was understood. */
export interface Creation {
  readonly name: string;
  readonly driver: Driver;
  /** Without its secrets. */
  readonly spec: InstanceSpec;
  readonly secrets: SecretValues;
}

/** A request to update that was understood. */
export interface Update {
  /** With the secrets that it had. */
  readonly spec: InstanceSpec;
  /** @defaultValue those that it had stay */
  readonly secrets?: SecretValues;
}

type Drivers = ReadonlyMap<string, Driver>;
type ForkChanges = Pick<ForkRequest, 'env' | 'tags' | 'entrypoint' | 'cmd'>;
type Fields = Readonly<Record<string, unknown>>;

/** How large requests may be if nothing else is said. */
const defaultMostBytes = 2 ** 20;
/** Deeper than any request is. */
const mostLevels = 32;

/** Gives a request, or a spec, if it is not too large, and does not nest too deep. @throws {@link InvalidRequest} */
export function sized<T>(value: T, mostBytes = defaultMostBytes): T {
  const excess = exceeded(value, { bytes: mostBytes, levels: mostLevels });
  if (excess === undefined) return value;
  const limit = excess === 'bytes' ? `${String(mostBytes)} bytes` : `${String(mostLevels)} levels of nesting`;
  throw new InvalidRequest({
    faults: [{ path: '', found: `more than ${limit}`, expected: `at most ${limit}` }],
  });
}

/** Decodes a request to create. @throws {@link InvalidRequest} naming every fault, those of the driver's fields included */
export function decodeCreation(drivers: Drivers, request: unknown, now: number): Creation {
  const [said, others] = split(request, keysOfCreation);
  const driver = driverOf(drivers, said['driver']);
  const understood = expiring(decode(creation, said), now);
  const decoded = E.isRight(driver) ? standingBy(understood, driver.right) : understood;
  const fields = E.isRight(driver) ? driver.right.decode(others) : driver;
  if (E.isRight(decoded) && E.isRight(driver) && E.isRight(fields)) {
    const { name, env = {}, tags = {}, secrets = {}, ...rest } = decoded.right;
    const spec = specOf({ ...rest, driver: driver.right.kind, env, tags, ...fields.right });
    refuseUnlessChecks(driver.right, rest);
    return { name, driver: driver.right, spec, secrets };
  }
  throw new InvalidRequest({
    faults: [...faultsOf(decoded), ...(E.isLeft(driver) ? driver.left : withCommon(keysOfCreation, fields))],
  });
}

/** Decodes a request to update into what it leads to. @throws {@link InvalidRequest} */
export function decodeUpdate(driver: Driver, spec: InstanceSpec, patch: unknown, now: number): Update {
  const [said, others] = split(patch, keysOfUpdate);
  if (Object.keys(said).length + Object.keys(others).length === 0) {
    throw new InvalidRequest({
      faults: [{ path: '', found: found(patch), expected: 'at least one field to change' }],
    });
  }
  const decoded = standingBy(expiring(decode(common, said), now), driver);
  const kept = ownFields(spec);
  // What is not changed may be what an earlier version took and this driver does not.
  const fields = Object.keys(others).length === 0 ? E.right(kept) : driver.decode({ ...kept, ...others });
  if (E.isLeft(decoded) || E.isLeft(fields)) {
    throw new InvalidRequest({ faults: [...faultsOf(decoded), ...withCommon(keysOfUpdate, fields)] });
  }
  refuseUnlessChecks(driver, decoded.right);
  const { secrets, ...rest } = decoded.right;
  return {
    spec: specOf({ ...baseOf(spec), ...rest, ...fields.right }),
    ...(secrets !== undefined && { secrets }),
  };
}

/** The spec of an instance that has these secrets, or none. */
export const withSecrets = (spec: InstanceSpec, secrets: HeldSecrets | undefined): InstanceSpec =>
  specOf({ ...spec, secrets });

/** A health check by a program is one for drivers whose machines run programs. @throws {@link InvalidRequest} */
function refuseUnlessChecks(
  { kind, capabilities }: Driver,
  { healthCheck }: Undone<Pick<BaseSpec, 'healthCheck'>>,
): void {
  if (healthCheck?.kind !== 'exec' || capabilities.execs === true) return;
  const expected = `http or tcp: a machine of the driver ${kind} runs no other program`;
  throw new InvalidRequest({ faults: [{ path: 'healthCheck.kind', found: found('exec'), expected }] });
}

/** Decodes what to run from this start on into the spec that it leads to. @throws {@link InvalidRequest} */
export function decodeOverrides(driver: Driver, spec: InstanceSpec, overrides: unknown): InstanceSpec {
  const [said, unknown] = split(overrides, ['entrypoint', 'cmd']);
  if (Object.keys(unknown).length > 0) decodeOrThrow(noOverrides, unknown);
  if (Object.keys(said).length === 0) return spec;
  const fields = driver.decode({ ...ownFields(spec), ...said });
  if (E.isLeft(fields)) throw new InvalidRequest({ faults: fields.left });
  return specOf({ ...baseOf(spec), ...fields.right });
}

/** Decodes what a fork has other than its source into the spec that it leads to. It does not expire with it. @throws {@link InvalidRequest} */
export function decodeForked(driver: Driver, spec: InstanceSpec, request: ForkChanges): InstanceSpec {
  const { env = spec.env, tags = spec.tags, entrypoint, cmd } = request;
  const changed = decodeOverrides(driver, spec, { entrypoint, cmd });
  const isSame = changed === spec && env === spec.env && tags === spec.tags && spec.expiresAt === undefined;
  return isSame ? spec : specOf({ ...changed, env, tags, expiresAt: undefined });
}

/** What a driver does not understand of a spec that is kept: an earlier version may have taken it. */
export const faultsOfKept = (driver: Driver, spec: InstanceSpec): readonly Fault[] =>
  faultsOf(driver.decode(ownFields(spec)));

/** Decodes a request to fork. @throws {@link InvalidRequest} */
export const decodeFork = (request: unknown): ForkRequest => decodeOrThrow(fork, request) as ForkRequest;

/**
 * Decodes the name of a signal to send. @throws {@link NotSupported} where the driver's machines take none,
 * {@link InvalidRequest} for one that they don't take
 */
export function decodeSignal({ kind, capabilities }: Driver, name: unknown): string {
  const { signals = [] } = capabilities;
  if (signals.length === 0)
    throw new NotSupported({ driver: kind, verb: 'signal', reason: 'its machines take no signals' });
  return decodeOrThrow(closed('signal', { signal: oneOf(signals) }, {}), { signal: name }).signal;
}

/** Decodes what to list. @throws {@link InvalidRequest} */
export const decodeListOptions = (options: unknown): ListOptions => decodeOrThrow(listOptions, options);

/** Decodes how to run. @throws {@link InvalidRequest} */
export const decodeRunOptions = (options: unknown): RunOptions =>
  decodeOrThrow(runOptions, options) as RunOptions;

/** Decodes how to close. @throws {@link InvalidRequest} */
export const decodeClose = (options: unknown): CloseOptions => decodeOrThrow(closing, options);

/** Decodes which log to read; what is left open is filled in. @throws {@link InvalidRequest} */
export function decodeLogOptions(
  driver: Driver,
  options: unknown,
): Omit<LogReading, 'followUntil$'> & { readonly follow: boolean } {
  const [first = ''] = driver.capabilities.logs;
  const { source = first, follow = false, tail, ...rest } = decodeOrThrow(logOptions, options);
  const isBounded = rest.since !== undefined || rest.after !== undefined;
  return { ...rest, source, follow, tail: tail ?? (isBounded ? Infinity : 100) };
}

type Undone<A> = { readonly [Key in keyof A]: A[Key] | undefined };

/** What is decoded to `undefined` is asked not to be there. */
const specOf = (spec: BaseSpec | Undone<BaseSpec>): InstanceSpec => {
  const said = Object.entries(spec).filter(([, value]) => value !== undefined);
  return deepFreeze(structuredClone(Object.fromEntries(said) as unknown as InstanceSpec));
};

const keysOfBase = ['driver', 'image', ...Object.keys(commonFields)];

const baseOf = (spec: InstanceSpec): BaseSpec => split(spec, keysOfBase)[0] as unknown as BaseSpec;

const ownFields = (spec: InstanceSpec): Fields => split(spec, keysOfBase)[1];

/**
 * Parts an object into the named keys and all others; a key whose value is `undefined` counts as absent, so that it takes
 * nothing away. @throws {@link InvalidRequest} for what is no object
 */
function split(value: unknown, keys: readonly string[]): readonly [Fields, Fields] {
  if (!isRecord(value)) {
    throw new InvalidRequest({ faults: [{ path: '', found: described(value), expected: 'an object' }] });
  }
  const said = Object.entries(value).filter(([, part]) => part !== undefined);
  const part = (isNamed: boolean): Fields =>
    Object.fromEntries(said.filter(([key]) => keys.includes(key) === isNamed));
  return [part(true), part(false)];
}

function driverOf(drivers: Drivers, kind: unknown): E.Either<readonly Fault[], Driver> {
  const [only, ...others] = drivers.values();
  const isOnly = kind === undefined && others.length === 0;
  const driver = isOnly ? only : typeof kind === 'string' ? drivers.get(kind) : undefined;
  if (driver !== undefined) return E.right(driver);
  return E.left([
    { path: 'driver', found: found(kind), expected: `one of ${[...drivers.keys()].join(', ')}` },
  ]);
}

const keysOfUpdate = [...Object.keys(commonFields), 'ttlMs'];
const keysOfCreation = ['name', 'image', 'driver', ...keysOfUpdate];

/** What a driver tells, which knows its own keys only: those that all requests of this kind may have are named too. */
const withCommon = (
  keys: readonly string[],
  decoded: E.Either<readonly Fault[], unknown>,
): readonly Fault[] => faultsOf(decoded).map((fault) => withKeys(keys, fault));

/** Tells when an instance expires that is to live for a time. */
const expiring = <Asked extends { readonly ttlMs?: number; readonly expiresAt?: number | undefined }>(
  decoded: E.Either<readonly Fault[], Asked>,
  now: number,
): E.Either<readonly Fault[], Omit<Asked, 'ttlMs'>> =>
  pipe(
    decoded,
    E.chain(({ ttlMs, ...fields }) => {
      const { expiresAt } = fields;
      if (expiresAt !== undefined && expiresAt <= now)
        return E.left([{ path: 'expiresAt', found: found(expiresAt), expected: 'a time that is to come' }]);
      if (ttlMs === undefined) return E.right(fields);
      if (expiresAt !== undefined)
        return E.left([{ path: 'ttlMs', found: found(ttlMs), expected: 'none beside expiresAt' }]);
      return E.right({ ...fields, expiresAt: ttlMs === 0 ? undefined : now + ttlMs });
    }),
  );

/** Refuses auto-standby where no machine of the driver can stand by. */
const standingBy = <Asked extends { readonly autoStandby?: AutoStandby }>(
  decoded: E.Either<readonly Fault[], Asked>,
  { kind, capabilities }: Driver,
): E.Either<readonly Fault[], Asked> =>
  pipe(
    decoded,
    E.chain((asked): E.Either<readonly Fault[], Asked> => {
      if (asked.autoStandby?.enabled !== true || capabilities.standbyFrees !== 'nothing')
        return E.right(asked);
      const expected = `false: the driver "${kind}" has no standby`;
      return E.left([{ path: 'autoStandby.enabled', found: 'true', expected }]);
    }),
  );

const faultsOf = (decoded: E.Either<readonly Fault[], unknown>): readonly Fault[] =>
  E.isLeft(decoded) ? decoded.left : [];

/** Decodes the name of an instance or a snapshot to be. One that looks like an id could be taken for another instance's. */
export const name = text(
  'a name (1 to 63 lower-case letters, digits and inner hyphens, no id)',
  (value) => anyName.is(value) && !id.is(value),
);

const image = text(
  'an image (1 to 4096 characters, no control characters)',
  (value) => value.length >= 1 && value.length <= 4096 && !/[\u0000-\u001f\u007f]/.test(value),
);

// What `driver` may be is told by `driverOf`, which knows the kinds.
const patch = { ...commonFieldsAs('asked'), ttlMs: integer('milliseconds', 0, 2 ** 43) };
const creation = closed('create request', { name, image }, { driver: t.unknown, ...patch });
const common = closed('update request', {}, patch);
const noOverrides = closed('start overrides', {}, { entrypoint: t.unknown, cmd: t.unknown });
/** Of entrypoint and cmd only the driver knows more. */
export const forkChanges = {
  env: commonFields.env.asked,
  tags: commonFields.tags.asked,
  entrypoint: t.unknown,
  cmd: t.unknown,
};
const fork = closed(
  'fork request',
  { name },
  { fromRunning: t.boolean, targetState: oneOf(['Stopped', 'Standby', 'Running']), ...forkChanges },
);
const listOptions = closed(
  'list options',
  {},
  {
    ...instanceFilterKeys,
    sortBy: oneOf(['createdAt', 'name']),
    limit: integer('instances', 1, 1_000_000),
    after: t.type(
      { id: t.string, name: t.string, createdAt: integer('milliseconds', 0, Number.MAX_SAFE_INTEGER) },
      'an instance (or its id, name and createdAt)',
    ),
  },
);
const logOptions = closed(
  'log options',
  {},
  {
    source: t.string,
    stream: t.keyof({ stdout: null, stderr: null }, 'stream'),
    tail: integer('lines', 0, 1_000_000),
    since: integer('milliseconds', 0, Number.MAX_SAFE_INTEGER),
    after: integer('place', 0, Number.MAX_SAFE_INTEGER),
    follow: t.boolean,
  },
);
// Less than the longest text that JavaScript has.
const runOptions = closed(
  'run options',
  {},
  { ...callKeys, outputMaxBytes: integer('bytes', 0, 2 ** 28), onLine: callback },
);
const closing = closed('close options', {}, { stopInstances: t.boolean });
