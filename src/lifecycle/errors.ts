import type { Cursor } from './event.js';
import { messageOf } from './messageOf.js';
import { onOneLine } from './onOneLine.js';
import type { State } from './state.js';
import { taggedError } from './taggedError.js';

/** One thing that is wrong with a value from outside. */
export interface Fault {
  /**
   * Where: keys joined by dots, indices in brackets, as are keys that are no plain word (`env['a b']`); empty for the
   * value itself.
   */
  readonly path: string;
  /** What stands there, written out and cut to a readable length. */
  readonly found: string;
  /** What may stand there. */
  readonly expected: string;
}

/** Writes a fault as one sentence. */
export const describeFault = ({ path, found, expected }: Fault): string =>
  `${path === '' ? '' : `${path}: `}found ${found}, expected ${expected}`;

/** What came from outside can't be understood; `faults` names every failing path. */
export class InvalidRequest extends taggedError(
  'InvalidRequest',
  ({ faults }: { readonly faults: readonly Fault[] }) => faults.map(describeFault).join('; '),
) {}

/** No instance has this id or name, or an id that begins so; or it was deleted meanwhile. */
export class InstanceNotFound extends taggedError(
  'InstanceNotFound',
  ({ idOrName }: { readonly idOrName: string }) => `there is no instance "${named(idOrName)}"`,
) {}

/** Several instances have an id that begins so. */
export class AmbiguousName extends taggedError(
  'AmbiguousName',
  ({ idOrName, matches }: { readonly idOrName: string; readonly matches: readonly string[] }) =>
    `"${named(idOrName)}" stands for several instances: ${matches.join(', ')}`,
) {}

/** Another instance has this name. */
export class NameTaken extends taggedError(
  'NameTaken',
  ({ taken }: { readonly taken: string }) => `the name "${taken}" is taken`,
) {}

/** The instance has another revision than was expected: somebody was quicker. Nothing was changed. */
export class Conflict extends taggedError(
  'Conflict',
  (fields: { readonly instanceId: string; readonly revision: number; readonly expectedRevision: number }) =>
    `instance ${fields.instanceId} has revision ${String(fields.revision)}, expected was ${String(fields.expectedRevision)}`,
) {}

/** The verb is not allowed in the instance's state; nothing was changed. `remedy` says what would be allowed. */
export class InvalidState extends taggedError(
  'InvalidState',
  (fields: {
    readonly instanceId: string;
    readonly state: State;
    readonly verb: string;
    readonly remedy: string;
  }) => `cannot ${fields.verb} instance ${fields.instanceId} while it is ${fields.state}: ${fields.remedy}`,
) {}

/** The driver of this instance cannot do what the verb needs; nothing was changed. `reason` says what it cannot, and what it can. */
export class NotSupported extends taggedError(
  'NotSupported',
  ({ driver, verb, reason }: { readonly driver: string; readonly verb: string; readonly reason: string }) =>
    `the driver "${named(driver)}" cannot ${verb}: ${onOneLine(reason)}`,
) {}

/**
 * A machine could not be started: `reason` says why, and is the message; `cause` has more. What should have come to be by that, by `create`,
 * `run`, `fork` or `forkSnapshot`, is not there, nor any file of it. An instance that was there before is as it was: after `start` and
 * `restore` in its former state, after `restart` Stopped.
 */
export class LaunchFailed extends taggedError('LaunchFailed', ({ reason }: { readonly reason: string }) =>
  onOneLine(reason),
) {}

/**
 * A program could not be run in an instance: `reason` says why, and is the message. `code` is what a shell would end with: 127 where there is no such
 * program, 126 where it is there and can't be run.
 */
export class ExecFailed extends taggedError(
  'ExecFailed',
  ({ reason }: { readonly reason: string; readonly code: 126 | 127 }) => onOneLine(reason),
) {}

/**
 * Something could not be done with a file of an instance; nothing was changed, but by what came before in an archive. `path` is from the top of the instance's files on, `code` a word of the
 * operating system: `ENOENT`, `EEXIST`, `ENOTDIR`, `EISDIR`, `ENOTEMPTY`, `ELOOP` (a link is in the way), `EACCES`, `ENOSPC`, and so on.
 * Of archives: `ENOTCAPABLE` (an entry leads out of the instance's files), `EPERM` (it asks for what is not given), `ENOTSUP` (it is of another kind), `EBADMSG`
 * (this is no whole archive), `EILSEQ` (a name is no UTF-8), `ESTALE` (a file was changed while it was read).
 */
export class FileFailed extends taggedError(
  'FileFailed',
  ({ verb, path, code }: { readonly verb: string; readonly path: string; readonly code: string }) =>
    `cannot ${verb} "${named(path)}": ${fileFaults[code] ?? onOneLine(code)}`,
) {}

/** A driver failed to carry out a verb on a machine; `cause` says why. */
export class DriverFailed extends taggedError(
  'DriverFailed',
  ({ instanceId, verb }: { readonly instanceId: string; readonly verb: string }, cause) =>
    `cannot ${verb} instance ${instanceId}: ${onOneLine(messageOf(cause))}`,
) {}

/** The driver keeps no log of this name. */
export class LogNotFound extends taggedError(
  'LogNotFound',
  ({ source, sources }: { readonly source: string; readonly sources: readonly string[] }) =>
    `there is no log "${named(source)}"; there is ${sources.join(', ') || 'none'}`,
) {}

/**
 * A log, or the folder of the logs, is not what it was made as: what runs in the instance has put something else in its place
 * (`found`: a link, a pipe, …). Nothing of it was read or changed.
 */
export class LogUnreadable extends taggedError(
  'LogUnreadable',
  ({ path, found }: { readonly path: string; readonly found: string }) =>
    `the log ${onOneLine(path)} is not read: it is ${found}`,
) {}

/** A subscriber with the policy `fail` fell behind by more than its capacity; `missed` values were lost to it. */
export class SubscriberLagged extends taggedError(
  'SubscriberLagged',
  ({ capacity, missed }: { readonly capacity: number; readonly missed: number }) =>
    `the subscriber fell behind by more than ${String(capacity)} values and lost ${String(missed)}`,
) {}

/** There is no snapshot with this id; or it was deleted meanwhile. */
export class SnapshotNotFound extends taggedError(
  'SnapshotNotFound',
  ({ snapshotId }: { readonly snapshotId: string }) => `there is no snapshot "${named(snapshotId)}"`,
) {}

/** There is no webhook with this id; or it was removed meanwhile. */
export class WebhookNotFound extends taggedError(
  'WebhookNotFound',
  ({ webhookId }: { readonly webhookId: string }) => `there is no webhook "${named(webhookId)}"`,
) {}

/**
 * The files of a snapshot are not what they were when it was taken; `differences` names each, with its path in the
 * snapshot's folder. Nothing was made of it, and nothing was changed.
 */
export class SnapshotDamaged extends taggedError(
  'SnapshotDamaged',
  ({ snapshotId, differences }: { readonly snapshotId: string; readonly differences: readonly Fault[] }) => {
    const described = differences.slice(0, mostDescribed).map(describeFault);
    const more = differences.length - described.length;
    const rest = more > 0 ? [`${String(more)} more differences`] : [];
    return `the snapshot ${snapshotId} is damaged: ${[...described, ...rest].join('; ')}`;
  },
) {}

/**
 * The memory that was kept of an instance cannot be gone on from: it is not as it was saved, or this QEMU would build another
 * machine. `differences` names each. Nothing was changed; stopped, the instance can still be started from the beginning.
 */
export class SnapshotIncompatible extends taggedError(
  'SnapshotIncompatible',
  ({ differences }: { readonly differences: readonly Fault[] }) =>
    `the memory cannot be gone on from: ${differences.map(describeFault).join('; ')}`,
) {}

/** The store could not keep or read something; `cause` says why. Instances and machines are as they were. */
export class StoreFailed extends taggedError(
  'StoreFailed',
  ({ reason }: { readonly reason: string }) => `the store failed: ${onOneLine(reason)}`,
) {}

/** A manager holds this data directory: `holder`, unless that gave no answer that can be understood within 3 s. */
export class DataDirLocked extends taggedError(
  'DataDirLocked',
  ({ dataDir, holder }: { readonly dataDir: string; readonly holder?: LockHolder | undefined }) =>
    `the data directory ${dataDir} is held by ${describeHolder(holder)}`,
) {}

/** Who holds a data directory. */
export interface LockHolder {
  readonly pid: number;
  /** Name of the host or container in which it runs. */
  readonly host: string;
  /** Unix time in milliseconds. */
  readonly since: number;
}

/**
 * The event log can't go on from this place: an event after it is not kept any more (`oldest` is the first that is), or
 * the place is none of this log, whose name is `epoch`. Begin anew with `watch`, or after the event before `oldest`.
 */
export class CursorExpired extends taggedError(
  'CursorExpired',
  ({ cursor, oldest, epoch }: { readonly cursor: Cursor; readonly oldest: number; readonly epoch: string }) =>
    `the log ${epoch} begins with event ${String(oldest)} and cannot go on after event ${String(cursor.sequence)} of ${cursor.epoch}`,
) {}

/** The manager was closed; this says nothing of its instances. */
export class ManagerClosed extends taggedError('ManagerClosed', () => 'the manager is closed') {}

/** A wait ended without one successful read of the instance; `cause` is the last failure, if any read failed. */
export class StateUnreadable extends taggedError(
  'StateUnreadable',
  ({ instanceId }: { readonly instanceId: string }) =>
    `the state of instance ${instanceId} could not be read`,
) {}

/** Somebody consumes durably under this name already; there can be one at a time, since one place is remembered. */
export class ConsumerTaken extends taggedError(
  'ConsumerTaken',
  ({ consumer }: { readonly consumer: string }) => `"${consumer}" consumes durably already`,
) {}

/** The manager knows as many consumer names as metric labels should hold. */
export class TooManyConsumers extends taggedError(
  'TooManyConsumers',
  ({ consumer, limit }: { readonly consumer: string; readonly limit: number }) =>
    `"${consumer}" would be consumer name ${String(limit + 1)}; a manager knows at most ${String(limit)}`,
) {}

/**
 * An API was not reached, or did not answer as itself: `reason` says how, `status` is that of its answer if there was one, and `code` the
 * API's own word for what it does not tell of its inside. Whether a verb was done that fails so nobody knows here.
 */
export class ApiFailed extends taggedError(
  'ApiFailed',
  ({ reason }: { readonly reason: string; readonly status?: number; readonly code?: string }) =>
    `the API failed: ${onOneLine(reason)}`,
) {}

/** Every class of {@link InstanceError}, by its tag. */
export const errorClasses = {
  InvalidRequest,
  InstanceNotFound,
  AmbiguousName,
  NameTaken,
  Conflict,
  InvalidState,
  NotSupported,
  LaunchFailed,
  ExecFailed,
  FileFailed,
  DriverFailed,
  LogNotFound,
  LogUnreadable,
  SubscriberLagged,
  SnapshotNotFound,
  WebhookNotFound,
  SnapshotDamaged,
  SnapshotIncompatible,
  StoreFailed,
  DataDirLocked,
  CursorExpired,
  ManagerClosed,
  StateUnreadable,
  ConsumerTaken,
  TooManyConsumers,
  ApiFailed,
} as const;

/** Every error that comes out of this package, to be told apart by `_tag`. */
export type InstanceError = InstanceType<(typeof errorClasses)[keyof typeof errorClasses]>;

/**
 * Tells an {@link InstanceError}, by its tag: also one of another copy of this package, of which `instanceof` knows nothing.
 *
 * @example
 * ```ts
 * import { InstanceNotFound, isInstanceError } from 'rx-instances';
 *
 * isInstanceError(new InstanceNotFound({ idOrName: 'web' })); // => true
 * isInstanceError(new Error('there is no instance "web"')); // => false
 * ```
 */
export const isInstanceError = (error: unknown): error is InstanceError =>
  typeof error === 'object' &&
  error !== null &&
  '_tag' in error &&
  typeof error._tag === 'string' &&
  Object.hasOwn(errorClasses, error._tag);

/** Tells the {@link InstanceError} of one tag. */
export const hasTag = <Tag extends InstanceError['_tag']>(
  error: unknown,
  tag: Tag,
): error is Extract<InstanceError, { readonly _tag: Tag }> => isInstanceError(error) && error._tag === tag;

const fileFaults: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there, or what it is to lie in is not',
  EEXIST: 'there is something already',
  ENOTDIR: 'a part of its path is no directory, or a link, which is not followed',
  EISDIR: 'it is a directory',
  ENOTEMPTY: 'it is not empty',
  ELOOP: 'a link is in the way, which is not followed',
  EACCES: 'that is not permitted',
  EPERM: 'that is not permitted',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'a name in its path is too long',
  EINVAL: 'it is no plain file',
  ESTALE: 'a program has changed it meanwhile',
  EILSEQ: 'its name is no UTF-8',
  EBADMSG: 'this is no whole tar archive; one that is compressed has to be uncompressed first',
  ENOTCAPABLE: "it leads out of the instance's files, or could",
  ENOTSUP: 'an archive may hold plain files, directories and links: no devices, pipes and sparse files',
};

const mostDescribed = 10;

/** The longest name that a message repeats, in characters. */
const longestName = 200;

const named = (text: string): string => onOneLine(text, longestName);

/** Says it whatever it is: an error that threw while it is made would hide the other. */
function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'a process that does not answer';
  const since = new Date(holder.since);
  const time = Number.isNaN(since.getTime()) ? 'no time' : since.toISOString();
  const host = holder.host.slice(0, 255).replace(/\p{Cc}/gu, '?');
  return `process ${String(holder.pid)} on ${host} since ${time}`;
}
