/** How a verb is called: who asks, and for how long. */
export interface CallOptions {
  /**
   * Who asks, as {@link Cause.by} of the events that come of it: a lower-case letter, then up to 63 of lower-case letters, digits
   * and `_`; none of `machine`, `deadline`, `recovery` and `close`. Metrics count 64 of them apart, and the rest as `other`.
   *
   * @defaultValue `'caller'`
   */
  readonly by?: string;
  /** What made them ask, as {@link Cause.reason}: a word of the same form. @defaultValue none */
  readonly reason?: string;
  /** The trace to which the call belongs, as W3C Trace Context writes it, as {@link Cause.traceparent}. @defaultValue none */
  readonly traceparent?: string;
  /**
   * Gives the call up when it aborts, as unsubscribing does: a verb that waits for its turn is left out, one that has begun runs to
   * its end. Then it fails with the signal's reason.
   *
   * @defaultValue none
   */
  readonly signal?: AbortSignal;
}

/** How a verb is called that changes something. */
export interface MutationOptions extends CallOptions {
  /**
   * Name of what is asked for, so that it can be asked for again without being done again: by who has no answer, and does not know
   * whether it was done. By the same `by`, the same verb with the same arguments under this name emits what the first one came to, be
   * that an instance, a snapshot or an error, also when the first one is still under way, and after the manager was killed in
   * the middle: what the next one finishes is remembered, what it undoes is done anew. What was refused before it began is not remembered,
   * nor is {@link StoreFailed}. Events bear the name, as {@link Cause.requestId}.
   *
   * Verb, arguments and `expectedRevision` have to be the same, as they are written; with others it fails with
   * {@link InvalidRequest}. It is remembered for as long as the event log keeps what came of it, and there are at most as many as
   * the log may keep events.
   *
   * 1 to 128 printable characters of ASCII, without spaces.
   *
   * @defaultValue none: it is done each time
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createMemoryDriver()] });
   * const create = () => firstValueFrom(manager.create({ name: 'web', image: 'any' }, { requestId: 'order-17' }));
   * const [first, again] = await Promise.all([create(), create()]);
   * again.id === first.id; // => true
   * ```
   */
  readonly requestId?: string;
}

/** How a verb is called that changes an instance. */
export interface ChangeOptions extends MutationOptions {
  /**
   * Revision that the instance has to have when the verb has its turn: that of the view by which the change was thought out. Where
   * somebody was quicker it fails with {@link Conflict}, and nothing is changed.
   *
   * @defaultValue any
   */
  readonly expectedRevision?: number;
}

/** How a verb is called that launches a machine. */
export interface LaunchOptions extends MutationOptions {
  /**
   * How long the driver may take to launch the machine, once its home is laid out, in milliseconds. After that it is undone, and
   * fails with {@link LaunchFailed} for the reason `timeout`. 0 is no bound.
   *
   * @defaultValue `instances.launch_timeout` of the configuration, 5 minutes
   */
  readonly timeoutMs?: number;
}

/** How a verb is called that changes an instance and may launch a machine. */
export interface ChangeAndLaunchOptions extends ChangeOptions, LaunchOptions {}

/** How `ensure` is called. Of no instance `expectedRevision` is the revision: where there is none it fails with {@link InstanceNotFound}. */
export interface EnsureOptions extends ChangeAndLaunchOptions {
  /**
   * Whether an instance of the name that is not what is asked for is deleted, with all that is in its home, and created anew. Nobody can take
   * its name between the two. Where the new one can't be launched, the former one is gone.
   *
   * @defaultValue false: it is left as it is, and the call fails with {@link InvalidState}, which names the fields that differ
   */
  readonly replace?: boolean;
}
