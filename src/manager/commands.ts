import type { Observable, ObservableInput } from 'rxjs';
import type { LogLine, LogOptions } from '../drivers/driver.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { DriverFields, ExitStatus, Instance } from '../lifecycle/instance.js';
import type { ConsumeOptions, IterateOptions, WatchOptions } from '../streams/eventOptions.js';
import type { ConsumerStats } from '../streams/consumers.js';
import type { InstanceFilter } from '../streams/instanceFilter.js';
import type { EventsOptions } from '../streams/lifecycleBus.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import type { WaitOptions, WaitTarget } from '../streams/waitOptions.js';
import type { WaitEnd, WaitOutcome } from '../streams/waits.js';
import type { SnapshotCommands } from './snapshotCommands.js';

/** What to create. */
export interface CreateRequest extends DriverFields {
  /** 1 to 63 lower-case letters, digits and inner hyphens; unique. */
  readonly name: string;
  /** What it starts from; for `process` a directory, or `scratch` for an empty one. */
  readonly image: string;
  /** Kind of driver. @defaultValue the only driver of the manager, if it has one only */
  readonly driver?: string;
  /** Environment variables. @defaultValue none */
  readonly env?: Readonly<Record<string, string>>;
  /** At most 50 labels. @defaultValue none */
  readonly tags?: Readonly<Record<string, string>>;
  /** How long a run may take, in milliseconds: {@link BaseSpec.runTimeoutMs}. @defaultValue 0, without end */
  readonly runTimeoutMs?: number;
}

/** What to run to its end. */
export interface RunRequest extends Omit<CreateRequest, 'name'> {
  /** As in {@link CreateRequest}. @defaultValue `run-` and an id of its own */
  readonly name?: string;
}

/** How to run it. */
export interface RunOptions {
  /**
   * How much is gathered of each stream, in bytes, at most 256 MiB. What comes before the last so many bytes is left out, and
   * {@link RunOutcome.truncated} says so.
   *
   * @defaultValue 16 MiB
   */
  readonly outputMaxBytes?: number;
  /**
   * Called with every line as `logs` with `follow` tells it: soon after it was written, one of more than 64 KiB in pieces, of both
   * streams, and also with what is too much to be gathered. What it takes is taken from the reading of the log. If it throws, that is reported as of any subscriber, it is not called
   * again, and the run goes on. After the last call comes the outcome; one who gives a run up hears no more.
   *
   * @defaultValue nobody is told
   */
  readonly onLine?: (line: LogLine) => void;
  /**
   * Gives the run up when it aborts: the instance is stopped, with its `stopGraceMs`, and deleted, also where it is only being created; then the
   * run fails with the signal's reason. Once the outcome is being put together it comes to nothing. Aborted before, nothing is created.
   *
   * @defaultValue none
   */
  readonly signal?: AbortSignal;
}

/** What became of a run. */
export interface RunOutcome {
  /** How it ended. Code and signal are null where nobody could tell; `timedOut` says that its time was over. */
  readonly exit: ExitStatus;
  /**
   * What it wrote, as UTF-8, a line's end as `\n` where it was `\r\n` too; of a machine that writes both streams to one log, all
   * of it.
   */
  readonly stdout: string;
  /** What it wrote to its other stream. */
  readonly stderr: string;
  /**
   * Whether something of it is missing: what came before the last {@link RunOptions.outputMaxBytes} of a stream, or what the log had lost by
   * its own limit before it was read. It is read while it is written, so that this takes a flood. The log keeps
   * (`logKeep` + 1) × `logMaxBytes` of the driver, 40 MiB if nothing else is set, in which each line has some 40 bytes more: its
   * time, stream and run.
   */
  readonly truncated: boolean;
  /** The instance as it was when it had ended; it is gone now. */
  readonly instance: Instance;
}

/** What to change; the rest stays. What concerns the machine takes effect at the next start. At least one field. */
export interface UpdateRequest extends DriverFields {
  /** Replaces all environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
  /** How long a run may take, in milliseconds from its start; 0 is without end. It holds for the run that is under way too. */
  readonly runTimeoutMs?: number;
}

/** What to run from this start on, instead of what the spec says. */
export interface StartOverrides {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
}

/** On what an update depends. */
export interface UpdateOptions {
  /**
   * Revision that the instance has to have: that of the view by which the update was thought out. Where somebody was quicker it
   * fails with {@link Conflict}, and nothing is changed.
   *
   * @defaultValue any
   */
  readonly expectedRevision?: number;
}

/** How to fork. What is not said of the spec is the source's. */
export interface ForkRequest extends StartOverrides {
  /** Name of the fork. */
  readonly name: string;
  /** Replaces all environment variables. A fork that goes on from a memory has read the former ones already. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Whether the source may be running; it is put on standby while it is copied. @defaultValue false */
  readonly fromRunning?: boolean;
  /** State that the fork is brought to. @defaultValue the source's */
  readonly targetState?: 'Stopped' | 'Standby' | 'Running';
}

/** How to close a manager. */
export interface CloseOptions {
  /**
   * Whether to stop every instance, and without a `dataDir` to remove its home. If not, machines go on by themselves as
   * far as their driver lets them; with a `dataDir` the next manager finds them again.
   *
   * @defaultValue true without a `dataDir`, false with one
   */
  readonly stopInstances?: boolean;
}

/**
 * The verbs that take nothing but an instance, which is all that a controller needs.
 *
 * `idOrName` is looked up as an exact id, then as an exact name. Every verb returns a cold Observable: nothing happens before
 * subscribe, then it emits the instance as it is after the verb and completes.
 * Verbs of one instance run one after another, those of different instances side by side. A verb that has begun runs to
 * its end, whoever still listens; one that waits for its turn is left out when its subscriber goes. Its event is
 * published before the instance is emitted. A verb that fails, and one that finds nothing to do, publishes nothing. Only a
 * machine that does not go on although that was written down is told by two events: the verb's, and an `update` to what a
 * look at it finds, such as Paused; the verb fails with {@link DriverFailed}.
 *
 * Errors of every verb: {@link InstanceNotFound}, {@link InvalidRequest}, {@link InvalidState} where
 * {@link transition} refuses, {@link DriverFailed}, {@link ManagerClosed}.
 */
export interface Commands {
  /**
   * Starts a Stopped instance. Overrides stay part of its spec. Nothing to do when it is Running or Initializing, unless
   * there are overrides: those are refused with {@link InvalidState}. Also fails with {@link LaunchFailed}.
   */
  start(idOrName: string, overrides?: StartOverrides): Observable<Instance>;
  /**
   * Stops an instance that is Running, Initializing, Paused, Shutdown, Unknown or on Standby: lets it go on where it stands still, asks
   * it to end, kills it after `stopGraceMs`. What was kept of its memory is given up. Nothing to do when Stopped.
   */
  stop(idOrName: string): Observable<Instance>;
  /** Puts a Running instance on standby. Nothing to do when it is. Also fails with {@link NotSupported}. */
  standby(idOrName: string): Observable<Instance>;
  /**
   * Lets an instance on Standby, a Paused or an Unknown one go on; what was not ready before is Initializing. Nothing to do when it is Running or Initializing. Also fails with
   * {@link LaunchFailed} and {@link SnapshotIncompatible} where a machine is made of the memory that was kept.
   */
  restore(idOrName: string): Observable<Instance>;
  /** Stops and starts in one turn; both events are published. One that is Stopped is started. Also fails with {@link LaunchFailed}. */
  restart(idOrName: string): Observable<Instance>;
  /** Ends an instance in any state at once, removes its home, and emits it as it last was. */
  delete(idOrName: string): Observable<Instance>;
  /**
   * Asks the driver for the truth and publishes what had changed: `ready`, `exit`, `lost`, or `update` for a state that
   * none of them explains. A driver that does not answer within 5 s leaves the instance Unknown.
   */
  refresh(idOrName: string): Observable<Instance>;
}

/** What took how long, for `createMetrics` of `rx-instances/metrics`. */
export type Measurement =
  | {
      readonly kind: 'verb';
      readonly verb: string;
      /** `ok`, the `_tag` of the error, or `Error` for one that has none. */
      readonly result: string;
      readonly seconds: number;
    }
  | ({ readonly kind: 'wait' } & WaitEnd)
  | { readonly kind: 'commit'; readonly seconds: number }
  | { readonly kind: 'found_by_poll'; readonly instanceId: string };

/**
 * Creates, changes and deletes instances, and tells on one shared stream all that happens to them. Made by
 * {@link openManager}; what goes for every verb stands at {@link Commands}.
 */
export interface InstanceManager extends Commands, SnapshotCommands {
  /**
   * Creates an instance and starts it: it is Running then, or Initializing until it is ready. Also fails with
   * {@link NameTaken} and {@link LaunchFailed}; no instance and no file of the attempt is left then.
   */
  create(request: CreateRequest): Observable<Instance>;
  /**
   * Runs a job: creates an instance, waits for its end as long as that takes, gathers what it wrote, deletes it, and emits what
   * became of it. It is an instance like any other meanwhile, with events, a log to follow, and verbs; once its `create` is told, it can be stopped by its
   * name. An exit code other than 0 is an outcome, no error. The output is that of the first log of the driver, and
   * empty where it keeps none.
   *
   * The instance is deleted in any case, before the outcome or the error is told. Who unsubscribes before the end
   * gives the run up, as `signal` does: it is stopped, with its `stopGraceMs`, and deleted. So `timeout` of RxJS bounds a run, in which case nothing is
   * told of it; with `runTimeoutMs` in the request it is stopped and told as any other, with `exit.timedOut`. Only a manager that
   * closes with `stopInstances: false`, or is killed, leaves it to the next manager, as an instance like any other; nobody
   * deletes it then.
   *
   * Also fails with {@link NameTaken}, {@link LaunchFailed}, {@link LogUnreadable}; with {@link InstanceNotFound} when somebody else
   * deletes it before its end; with {@link DriverFailed} when it becomes Unknown, and where it can't be deleted. Whoever starts
   * it again at its end has it deleted all the same.
   *
   * @example
   * ```ts
   * import { createProcessDriver, type LogLine, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createProcessDriver()] });
   * const entrypoint = ['sh', '-c', 'echo 3 tests; echo 1 failed >&2; exit 4'];
   * const { exit, stdout, stderr } = await firstValueFrom(manager.run({ image: 'scratch', entrypoint }));
   * [exit.code, stdout, stderr]; // => [4, '3 tests\n', '1 failed\n']
   *
   * let heard = '';
   * const onLine = ({ text }: LogLine): void => void (heard += text);
   * await firstValueFrom(manager.run({ image: 'scratch', entrypoint: ['echo', 'hello'] }, { onLine }));
   * heard; // => 'hello'
   *
   * const late = await firstValueFrom(manager.run({ image: 'scratch', entrypoint: ['sleep', '60'], runTimeoutMs: 50 }));
   * late.exit; // => { code: null, signal: 'SIGTERM', timedOut: 'run' }
   * await manager.close();
   * ```
   */
  run(request: RunRequest, options?: RunOptions): Observable<RunOutcome>;
  /**
   * Emits an instance as the last event told it. What only looks at an instance (this, `logs` and `waitForState`) also finds it
   * by the beginning of its id, of at least 4 characters; a verb that changes something does not. Then it can fail with
   * {@link AmbiguousName}.
   */
  get(idOrName: string): Observable<Instance>;
  /** Emits the instances for which the filter holds, oldest first, as the last event told them. */
  list(filter?: InstanceFilter): Observable<readonly Instance[]>;
  /**
   * Changes what an instance is asked to be, in any state. An update that changes nothing publishes nothing. Also fails with
   * {@link Conflict}.
   */
  update(idOrName: string, patch: UpdateRequest, options?: UpdateOptions): Observable<Instance>;
  /**
   * Makes a new instance from a copy of a Stopped or Standby one, or of a Running one with `fromRunning`, which is put on
   * standby while it is copied and restored after; these two events are published too. Emits the fork. Also fails with
   * {@link NameTaken}, {@link LaunchFailed}, {@link NotSupported}; nothing of the fork is left then.
   */
  fork(idOrName: string, request: ForkRequest): Observable<Instance>;
  /**
   * Sends a signal to all that the machine of an instance runs: to a process with its whole group, and whatever has left that, as far as
   * `stop` reaches. It has its turn after the verbs before it; the instance has to be Initializing, Running or Paused then. Emits
   * the instance as it was when the signal was sent.
   *
   * That a signal was sent is no event; what comes of it is told as what the machine does by itself: an end as `exit`, with all that
   * the first process leaves behind killed at once; a halt (`SIGSTOP`) as an `update` to Paused, by the next look. To end an
   * instance with its grace, `stop` it.
   *
   * Also fails with {@link NotSupported} where the driver names no signals (a virtual machine hears none), and with
   * {@link InvalidRequest} for a name that is none of `capabilities.signals` of the driver.
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createProcessDriver()] });
   * const entrypoint = ['sh', '-c', 'trap "exit 7" HUP; echo set; while :; do sleep 0.01; done'];
   * const readiness = { kind: 'log', pattern: 'set' } as const;
   * await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint, readiness }));
   * await firstValueFrom(manager.waitForState('web', 'Running'));
   * await firstValueFrom(manager.signal('web', 'SIGHUP'));
   * const { instance } = await firstValueFrom(manager.waitForState('web', 'Stopped'));
   * instance.exit; // => { code: 7, signal: null }
   * await manager.close();
   * ```
   */
  signal(idOrName: string, name: string): Observable<Instance>;
  /**
   * Emits lines of a log of the instance, whether or not it runs: the last 100, if nothing else is asked for. With `follow` it
   * goes on until unsubscribed, also over later runs; when the instance is deleted, or the manager closed, it emits all that was
   * written by then, and completes. Also fails with {@link LogNotFound} and {@link LogUnreadable}.
   */
  logs(idOrName: string, options?: LogOptions): Observable<LogLine>;

  /**
   * Emits every event from subscribe on, within the call that publishes it; nothing is buffered. It never errors, and
   * completes when the manager closes. A subscriber that throws is unsubscribed and counted, and hurts nobody else.
   *
   * With `after` it emits first what the log of events has after that place, a page of 1,000 events in each turn, and goes
   * over to live without gap or double, however fast events are published; no more than a page is kept for it meanwhile.
   * Every event is a cursor, and so is `cursor` of the snapshot that `watch` emits. Then it can fail: with
   * {@link CursorExpired} when the log has lost an event after the place or is another one, upon which `watch` begins
   * anew; with {@link StoreFailed}; and with {@link ManagerClosed} when the manager closes before all of the log was told, so
   * that an end is never taken for the end of the log.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const heard = firstValueFrom(manager.events('my_app'));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   * await firstValueFrom(manager.start('web'));
   *
   * const missed$ = manager.events('my_app', { after: await heard }).pipe(take(2), toArray());
   * (await lastValueFrom(missed$)).map(({ action }) => action); // => ['stop', 'start']
   * await manager.close();
   * ```
   *
   * @param consumer - the name under which the subscriber is counted: a lower-case letter, then lower-case letters, digits
   * and underscores
   * @throws {@link InvalidRequest} at once for what is no name and for options that can't be understood,
   * {@link TooManyConsumers} for the 65th name
   */
  events(consumer: string, options?: EventsOptions): Observable<LifecycleEvent>;
  /**
   * Does work for every event, `concurrency` at a time, with a queue of its own: {@link boundedMergeMap} over the events.
   *
   * With the policy `resume` no event is lost, however slow the work and however small the queue: what does not fit is read
   * from the log later. Also fails with {@link CursorExpired} when the log has lost the place by then, with {@link StoreFailed},
   * and with {@link ManagerClosed} when the manager closes before all that is in the log was read.
   *
   * With `after` it begins after that place in the log, as `events` does, with the policy `resume`: a subscriber that has gone on
   * from its last event lets no more wait than its queue takes. With a `label` it is told by itself in `stats()`.
   *
   * With `durable: true` the policy is `resume`, and the manager remembers under the consumer's name how far it came: with
   * which event it was done, and with all before. The first time it begins with the events from now on; from then on where it
   * was, also after a crash or in another process that opens the same `dataDir`. Every event is given **at least once**: what
   * was not remembered yet when it stopped, and an event whose project failed, is given again, so a project has to
   * bear to be run twice. Within one run each event is given once and in order. One at a time may consume durably under a name; a
   * second fails with {@link ConsumerTaken}. When the log has lost events after the place, it fails once with
   * {@link CursorExpired}, and begins next time with the oldest event that is kept. What is done after the manager
   * has closed is not remembered.
   *
   * @throws as `events`, and {@link InvalidRequest} at once for a project that is no function and for buffering that can't be
   * understood
   */
  consume<R>(
    consumer: string,
    project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
    options?: ConsumeOptions,
  ): Observable<R>;
  /**
   * Reads the events with `for await`, with a queue of its own: {@link boundedIterable} over the events. The policy `resume`,
   * `after` and `label` are as with `consume`.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const heard = firstValueFrom(manager.events('my_app'));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   *
   * // Of a client that comes back with the last event that it had.
   * const [after, seen] = [await heard, ['']];
   * for await (const { action } of manager.iterate('http', { after, label: '192.0.2.7' })) {
   *   seen.push(action, ...(manager.stats()['http']?.labelled ?? []).map(({ label }) => label));
   *   break;
   * }
   * seen; // => ['', 'stop', '192.0.2.7']
   * await manager.close();
   * ```
   *
   * @throws as `consume`
   */
  iterate(consumer: string, options?: IterateOptions): AsyncIterable<LifecycleEvent>;
  /**
   * Emits the whole table, then one change after another; after a lag the whole table again. Whoever applies each in turn
   * holds the true table in the end. Changes are emitted in a turn of their own, never within the call that publishes.
   *
   * With a filter it is a table of those for which that holds: one for which it does not hold any more is `removed`, with the view for
   * which it held last as `last`, and told anew by an `upsert` once it holds again.
   *
   * When the manager begins to close, `closing` is emitted before the stops that come of it, for whoever acts on what is
   * not as it should be: `takeWhile(({ kind }) => kind !== 'closing')` ends a control loop there.
   *
   * @throws as `consume`
   */
  watch(consumer: string, options?: WatchOptions): Observable<InstanceChange>;
  /**
   * Waits until an instance reaches a state, or one of several: {@link waitForState} over this manager. A restart that comes
   * meanwhile ends a wait for Running with the Stopped in between, unless it may go `through` that; one that is begun once `restart` has
   * emitted does not see it. With `mayBeAbsent` an instance that is still to come is found by its id or its name.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const waiting = firstValueFrom(manager.waitForState('web', 'Running', { mayBeAbsent: true, through: ['Stopped'] }));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * const { reached, via } = await waiting;
   * [reached, via]; // => [true, 'event']
   * await manager.close();
   * ```
   */
  waitForState(
    idOrName: string,
    target: WaitTarget | readonly WaitTarget[],
    options?: WaitOptions,
  ): Observable<WaitOutcome>;

  /**
   * Emits once, when the manager begins to close, within {@link InstanceManager.close} and before any stop is told, then
   * completes; to whoever subscribes later it emits at once. Events carry no such word: what acts on them ends with it.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { concatMap, filter, firstValueFrom, takeUntil } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * let restarts = 0;
   * manager
   *   .events('keep_up')
   *   .pipe(
   *     filter(({ instance }) => instance?.state === 'Stopped'),
   *     takeUntil(manager.closing$),
   *     concatMap(({ instanceId }) => manager.start(instanceId)),
   *   )
   *   .subscribe(() => (restarts += 1));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   * await firstValueFrom(manager.waitForState('web', 'Running'));
   * await manager.close();
   * restarts; // => 1
   * ```
   */
  readonly closing$: Observable<void>;
  /** Tells of every consumer what its subscribers are doing. */
  stats(): Readonly<Record<string, ConsumerStats>>;
  /** Emits what verbs, waits and commits took, as each ends. Completes when the manager closes. */
  readonly measurements$: Observable<Measurement>;
  /**
   * Closes the manager: from now on verbs and waits fail with {@link ManagerClosed}, and that is told by `closing$` and to those
   * who watch; verbs that have begun are waited for;
   * instances are stopped if so asked, 16 at a time, and their events published; then every stream completes. Called again, it
   * returns the same Promise.
   *
   * @returns a Promise that rejects with an `AggregateError` of {@link DriverFailed} when instances could not be stopped:
   * their homes stay; or with {@link InvalidRequest} for options that can't be understood: the manager stays open
   */
  close(options?: CloseOptions): Promise<void>;
}
