import type { Cursor } from './event.js';
import { messageOf } from './messageOf.js';
import { onOneLine } from './onOneLine.js';
import type { State } from './state.js';

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

/** The longest name that a message repeats, in characters. */
const longestName = 200;

/** Writes a fault as one sentence. */
export const describeFault = ({ path, found, expected }: Fault): string =>
  `${path === '' ? '' : `${path}: `}found ${found}, expected ${expected}`;

/** What came from outside can't be understood; `faults` names every failing path. */
export class InvalidRequest extends Error {
  readonly _tag = 'InvalidRequest';
  override readonly name = 'InvalidRequest';
  constructor(readonly faults: readonly Fault[]) {
    super(faults.map(describeFault).join('; '));
  }
}

/** No instance has this id or name, or an id that begins so; or it was deleted meanwhile. */
export class InstanceNotFound extends Error {
  readonly _tag = 'InstanceNotFound';
  override readonly name = 'InstanceNotFound';
  constructor(readonly idOrName: string) {
    super(`there is no instance "${onOneLine(idOrName, longestName)}"`);
  }
}

/** Several instances have an id that begins so. */
export class AmbiguousName extends Error {
  readonly _tag = 'AmbiguousName';
  override readonly name = 'AmbiguousName';
  constructor(
    readonly idOrName: string,
    readonly matches: readonly string[],
  ) {
    super(`"${onOneLine(idOrName, longestName)}" stands for several instances: ${matches.join(', ')}`);
  }
}

/** Another instance has this name. */
export class NameTaken extends Error {
  readonly _tag = 'NameTaken';
  override readonly name = 'NameTaken';
  constructor(readonly taken: string) {
    super(`the name "${taken}" is taken`);
  }
}

/** The instance has another revision than was expected: somebody was quicker. Nothing was changed. */
export class Conflict extends Error {
  readonly _tag = 'Conflict';
  override readonly name = 'Conflict';
  constructor(
    readonly instanceId: string,
    readonly revision: number,
    readonly expectedRevision: number,
  ) {
    super(
      `instance ${instanceId} has revision ${String(revision)}, expected was ${String(expectedRevision)}`,
    );
  }
}

/** The verb is not allowed in the instance's state; nothing was changed. `remedy` says what would be allowed. */
export class InvalidState extends Error {
  readonly _tag = 'InvalidState';
  override readonly name = 'InvalidState';
  constructor(
    readonly instanceId: string,
    readonly state: State,
    readonly verb: string,
    readonly remedy: string,
  ) {
    super(`cannot ${verb} instance ${instanceId} while it is ${state}: ${remedy}`);
  }
}

/** The driver of this instance cannot do what the verb needs; nothing was changed. `reason` says what it cannot, and what it can. */
export class NotSupported extends Error {
  readonly _tag = 'NotSupported';
  override readonly name = 'NotSupported';
  constructor(
    readonly driver: string,
    readonly verb: string,
    readonly reason: string,
  ) {
    super(`the driver "${onOneLine(driver, longestName)}" cannot ${verb}: ${onOneLine(reason)}`);
  }
}

/**
 * A machine could not be started: `reason` says why, and is the message; `cause` has more. What should have come to be by that, by `create`,
 * `run`, `fork` or `forkSnapshot`, is not there, nor any file of it. An instance that was there before is as it was: after `start` and
 * `restore` in its former state, after `restart` Stopped.
 */
export class LaunchFailed extends Error {
  readonly _tag = 'LaunchFailed';
  override readonly name = 'LaunchFailed';
  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(onOneLine(reason), options);
  }
}

/** A driver failed to carry out a verb on a machine; `cause` says why. */
export class DriverFailed extends Error {
  readonly _tag = 'DriverFailed';
  override readonly name = 'DriverFailed';
  constructor(
    readonly instanceId: string,
    readonly verb: string,
    options: ErrorOptions & { readonly cause: unknown },
  ) {
    super(`cannot ${verb} instance ${instanceId}: ${onOneLine(messageOf(options.cause))}`, options);
  }
}

/** The driver keeps no log of this name. */
export class LogNotFound extends Error {
  readonly _tag = 'LogNotFound';
  override readonly name = 'LogNotFound';
  constructor(
    readonly source: string,
    readonly sources: readonly string[],
  ) {
    super(`there is no log "${onOneLine(source, longestName)}"; there is ${sources.join(', ') || 'none'}`);
  }
}

/**
 * A log, or the folder of the logs, is not what it was made as: what runs in the instance has put something else in its place
 * (`found`: a link, a pipe, …). Nothing of it was read or changed.
 */
export class LogUnreadable extends Error {
  readonly _tag = 'LogUnreadable';
  override readonly name = 'LogUnreadable';
  constructor(
    readonly path: string,
    readonly found: string,
  ) {
    super(`the log ${onOneLine(path)} is not read: it is ${found}`);
  }
}

/** A subscriber with the policy `fail` fell behind by more than its capacity; `missed` values were lost to it. */
export class SubscriberLagged extends Error {
  readonly _tag = 'SubscriberLagged';
  override readonly name = 'SubscriberLagged';
  constructor(
    readonly capacity: number,
    readonly missed: number,
  ) {
    super(`the subscriber fell behind by more than ${String(capacity)} values and lost ${String(missed)}`);
  }
}

/** There is no snapshot with this id; or it was deleted meanwhile. */
export class SnapshotNotFound extends Error {
  readonly _tag = 'SnapshotNotFound';
  override readonly name = 'SnapshotNotFound';
  constructor(readonly snapshotId: string) {
    super(`there is no snapshot "${onOneLine(snapshotId, longestName)}"`);
  }
}

/**
 * The files of a snapshot are not what they were when it was taken; `differences` names each, with its path in the
 * snapshot's folder. Nothing was made of it, and nothing was changed.
 */
export class SnapshotDamaged extends Error {
  readonly _tag = 'SnapshotDamaged';
  override readonly name = 'SnapshotDamaged';
  constructor(
    readonly snapshotId: string,
    readonly differences: readonly Fault[],
  ) {
    const told = differences.slice(0, mostTold).map(describeFault);
    const more = differences.length - told.length;
    const rest = more > 0 ? [`${String(more)} more differences`] : [];
    super(`the snapshot ${snapshotId} is damaged: ${[...told, ...rest].join('; ')}`);
  }
}

/**
 * The memory that was kept of an instance cannot be gone on from: it is not as it was saved, or this QEMU would build another
 * machine. `differences` names each. Nothing was changed; stopped, the instance can still be started from the beginning.
 */
export class SnapshotIncompatible extends Error {
  readonly _tag = 'SnapshotIncompatible';
  override readonly name = 'SnapshotIncompatible';
  constructor(readonly differences: readonly Fault[]) {
    super(`the memory cannot be gone on from: ${differences.map(describeFault).join('; ')}`);
  }
}

const mostTold = 10;

/** The store could not keep or read something; `cause` says why. Instances and machines are as they were. */
export class StoreFailed extends Error {
  readonly _tag = 'StoreFailed';
  override readonly name = 'StoreFailed';
  constructor(
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`the store failed: ${onOneLine(reason)}`, options);
  }
}

/** A manager holds this data directory: `holder`, unless that gave no answer that can be understood within 3 s. */
export class DataDirLocked extends Error {
  readonly _tag = 'DataDirLocked';
  override readonly name = 'DataDirLocked';
  constructor(
    readonly dataDir: string,
    readonly holder?: LockHolder,
  ) {
    super(`the data directory ${dataDir} is held by ${describeHolder(holder)}`);
  }
}

/** Who holds a data directory. */
export interface LockHolder {
  readonly pid: number;
  /** Name of the host or container in which it runs. */
  readonly host: string;
  /** Unix time in milliseconds. */
  readonly since: number;
}

/** Says it whatever it is: an error that threw while it is made would hide the other. */
function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'a process that does not answer';
  const since = new Date(holder.since);
  const time = Number.isNaN(since.getTime()) ? 'no time' : since.toISOString();
  const host = holder.host.slice(0, 255).replace(/\p{Cc}/gu, '?');
  return `process ${String(holder.pid)} on ${host} since ${time}`;
}

/**
 * The event log can't go on from this place: an event after it is not kept any more (`oldest` is the first that is), or
 * the place is none of this log, whose name is `epoch`. Begin anew with `watch`, or after the event before `oldest`.
 */
export class CursorExpired extends Error {
  readonly _tag = 'CursorExpired';
  override readonly name = 'CursorExpired';
  constructor(
    readonly cursor: Cursor,
    readonly oldest: number,
    readonly epoch: string,
  ) {
    super(
      `the log ${epoch} begins with event ${String(oldest)} and cannot go on after event ${String(cursor.sequence)} of ${cursor.epoch}`,
    );
  }
}

/** The manager was closed; this says nothing of its instances. */
export class ManagerClosed extends Error {
  readonly _tag = 'ManagerClosed';
  override readonly name = 'ManagerClosed';
  constructor() {
    super('the manager is closed');
  }
}

/** A wait ended without one successful look at the instance; `cause` is the last failure, if any look failed. */
export class StateUnreadable extends Error {
  readonly _tag = 'StateUnreadable';
  override readonly name = 'StateUnreadable';
  constructor(
    readonly instanceId: string,
    options?: ErrorOptions,
  ) {
    super(`the state of instance ${instanceId} could not be read`, options);
  }
}

/** Somebody consumes durably under this name already; there can be one at a time, since one place is remembered. */
export class ConsumerTaken extends Error {
  readonly _tag = 'ConsumerTaken';
  override readonly name = 'ConsumerTaken';
  constructor(readonly consumer: string) {
    super(`"${consumer}" consumes durably already`);
  }
}

/** The manager knows as many consumer names as metric labels should hold. */
export class TooManyConsumers extends Error {
  readonly _tag = 'TooManyConsumers';
  override readonly name = 'TooManyConsumers';
  constructor(
    readonly consumer: string,
    readonly limit: number,
  ) {
    super(
      `"${consumer}" would be consumer name ${String(limit + 1)}; a manager knows at most ${String(limit)}`,
    );
  }
}
