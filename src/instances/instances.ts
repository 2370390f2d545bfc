import type { Observable } from 'rxjs';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { Instance } from '../lifecycle/instance.js';
import type { LogLine, LogOptions } from '../lifecycle/logLine.js';
import type {
  CreateRequest,
  ForkRequest,
  ListOptions,
  StartOverrides,
  UpdateRequest,
} from './instanceRequests.js';
import type { ChangeAndLaunchOptions, ChangeOptions, EnsureOptions, LaunchOptions } from './callOptions.js';
import type { Executions } from './execRequest.js';
import type { InstanceStatus } from './instanceStatus.js';
import type { RunOptions, RunOutcome, RunRequest } from './runRequest.js';
import type { Snapshots } from './snapshots.js';

/**
 * What can be done with instances, on this host and from afar: verbs, reads, logs. A manager has it, and so has whatever asks one
 * from elsewhere.
 *
 * `idOrName` is looked up as an exact id, then as an exact name. Every verb returns a cold Observable: nothing happens before
 * subscribe, then it emits the instance as it is after the verb, unless a verb says otherwise, and completes.
 * Verbs of one instance run one after another, those of different instances side by side. A verb that has begun runs to
 * its end, whoever still listens; one that waits for its turn is left out when its subscriber goes. Its event is
 * published before the instance is emitted. A verb that fails, and one that finds nothing to do, publishes nothing. Only a
 * machine that does not go on although that was written down is told by two events: the verb's, and an `update` to what a
 * look at it finds, such as Paused; the verb fails with {@link DriverFailed}.
 *
 * The last argument of a verb says who calls it, and for how long: the events that come of it bear that as their cause.
 *
 * Errors of every verb: {@link InstanceNotFound}, {@link Conflict} where an `expectedRevision` is not the instance's, {@link InvalidRequest}, {@link InvalidState} where
 * {@link transition} refuses, {@link DriverFailed}, {@link ManagerClosed}.
 */
export interface Instances extends Snapshots, Executions {
  /**
   * Creates an instance and starts it: it is Running then, or Initializing until it is ready. Also fails with
   * {@link NameTaken} and {@link LaunchFailed}; no instance and no file of the attempt is left then.
   */
  create(request: CreateRequest, options?: LaunchOptions): Observable<Instance>;
  /**
   * Makes the instance of a name what the request says, whatever there is, and emits it: Running, or Initializing until it is ready. So a
   * program can call it at each of its starts, and several may at the same moment: there is one instance, and all are told it. Where there
   * is none it is created; one that is Stopped is started, one that is on Standby or Paused restored, one that is Shutdown restarted; of one
   * that is Unknown the driver is asked first. Where it runs there is nothing to do. The events are those of the verbs that it takes.
   *
   * One that is not what the request says (in its driver, image, variables, labels, policies, ports, …) is left as it is, and told by
   * {@link InvalidState} with the names of the fields that differ, unless `replace` says to delete it and create it anew. What is left out of the request
   * stands for its default; and a `ttlMs` counts from the creation on, so that a later call does not prolong it. What an `update`, or a `start` with overrides,
   * has changed since, differs.
   *
   * Also fails with {@link LaunchFailed}, and with whatever else the verb fails with that it takes.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createMemoryDriver()] });
   * const web = { name: 'web', image: 'any', env: { COLOUR: 'red' } };
   * const { id } = await firstValueFrom(manager.ensure(web));
   * await firstValueFrom(manager.stop('web'));
   * const again = await firstValueFrom(manager.ensure(web));
   * [again.id === id, again.state]; // => [true, 'Running']
   * const blue = { ...web, env: { COLOUR: 'blue' } };
   * await firstValueFrom(manager.ensure(blue)).catch(({ remedy }) => remedy); // => 'it is not what is asked for (env); with replace it is deleted and created anew'
   * const { spec } = await firstValueFrom(manager.ensure(blue, { replace: true }));
   * spec.env; // => { COLOUR: 'blue' }
   * ```
   */
  ensure(request: CreateRequest, options?: EnsureOptions): Observable<Instance>;
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
  /**
   * Emits the instances for which the filter holds, oldest first if not asked otherwise, as the last event told them. Read by pages,
   * one that is there all the time is in one of them, and in none twice, whatever is created and deleted meanwhile.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createMemoryDriver()] });
   * for (const name of ['web-2', 'db', 'web-1']) {
   *   const tags: Record<string, string> = name === 'db' ? {} : { team: 'red' };
   *   await firstValueFrom(manager.create({ name, image: 'any', tags }));
   * }
   * const query = { state: ['Running', 'Initializing'], hasTags: ['team'], sortBy: 'name', limit: 1 } as const;
   * const [first] = await firstValueFrom(manager.list(query));
   * first?.name; // => 'web-1'
   * const [second] = await firstValueFrom(manager.list(first === undefined ? query : { ...query, after: first }));
   * second?.name; // => 'web-2'
   * ```
   */
  list(options?: ListOptions): Observable<readonly Instance[]>;
  /**
   * Changes what an instance is asked to be, in any state. An update that changes nothing publishes nothing. One of which the turn comes at or after the
   * `expiresAt` of the instance is refused with {@link InvalidState}, also where it would prolong that: the deadline decides, not who is quicker.
   */
  update(idOrName: string, patch: UpdateRequest, options?: ChangeOptions): Observable<Instance>;
  /**
   * Starts a Stopped instance. Overrides stay part of its spec. Nothing to do when it is Running or Initializing, unless
   * there are overrides: those are refused with {@link InvalidState}. Also fails with {@link LaunchFailed}.
   */
  start(idOrName: string, overrides?: StartOverrides, options?: ChangeAndLaunchOptions): Observable<Instance>;
  /**
   * Stops an instance that is Running, Initializing, Paused, Shutdown, Unknown or on Standby: lets it go on where it stands still, asks
   * it to end, kills it after `stopGraceMs`. What was kept of its memory is given up. Nothing to do when Stopped.
   */
  stop(idOrName: string, options?: ChangeOptions): Observable<Instance>;
  /** Puts a Running instance on standby. Nothing to do when it is. Also fails with {@link NotSupported}. */
  standby(idOrName: string, options?: ChangeOptions): Observable<Instance>;
  /**
   * Lets an instance on Standby, a Paused or an Unknown one go on; what was not ready before is Initializing. Nothing to do when it is Running or Initializing. Also fails with
   * {@link LaunchFailed} and {@link SnapshotIncompatible} where a machine is made of the memory that was kept.
   */
  restore(idOrName: string, options?: ChangeAndLaunchOptions): Observable<Instance>;
  /** Stops and starts in one turn; both events are published. One that is Stopped is started. Also fails with {@link LaunchFailed}. */
  restart(idOrName: string, options?: ChangeAndLaunchOptions): Observable<Instance>;
  /** Ends an instance in any state at once, removes its home, and emits it as it last was. */
  delete(idOrName: string, options?: ChangeOptions): Observable<Instance>;
  /**
   * Asks the driver for the truth and publishes what had changed: `ready`, `exit`, `lost`, or `update` for a state that
   * none of them explains. A driver that does not answer within 5 s leaves the instance Unknown.
   */
  refresh(idOrName: string): Observable<Instance>;
  /**
   * Makes a new instance from a copy of a Stopped or Standby one, or of a Running one with `fromRunning`, which is put on
   * standby while it is copied and restored after; these two events are published too. Emits the fork. Also fails with
   * {@link NameTaken}, {@link LaunchFailed}, {@link NotSupported}; nothing of the fork is left then.
   */
  fork(idOrName: string, request: ForkRequest, options?: ChangeAndLaunchOptions): Observable<Instance>;
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
   * Emits where a port of the instance is connected to: where the front door listens for it, once it does. That address stays the same as
   * long as the instance, over every verb and the next manager. Without a front door, or where that can't listen, it is where the
   * machine itself listens, or will once it is ready: another address after each start, and after a restore by which another machine
   * goes on (that of a virtual machine).
   *
   * Like `get` it takes no turn, and finds an instance by the beginning of its id too. Fails with {@link NotSupported} where machines of the driver have no ports, with
   * {@link InvalidRequest} for a port that is no `guest` of its `ports`, and with {@link InvalidState} for one without a front door that is neither Initializing nor Running
   * nor Paused, and for a port that an `update` has added since it was started.
   *
   * @param guest - port within the machine
   *
   * @example
   * ```ts
   * import { createProcessDriver, openManager } from 'rx-instances';
   * import { firstValueFrom } from 'rxjs';
   *
   * await using manager = await openManager({ drivers: [createProcessDriver()] });
   * const program = "require('http').createServer((_, answer) => answer.end('hello')).listen(process.env.PORT)";
   * const entrypoint = ['node', '-e', program];
   * const readiness = { kind: 'http', port: 80, path: '/' } as const;
   * const ports = [{ guest: 80 }];
   * await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint, ports, readiness }));
   * await firstValueFrom(manager.waitForState('web', 'Running'));
   * const { host, port } = await firstValueFrom(manager.endpoint('web', 80));
   * const page = await fetch(`http://${host}:${port}/`);
   * await page.text(); // => 'hello'
   * ```
   */
  endpoint(idOrName: string, guest: number): Observable<Endpoint>;
  /**
   * Emits lines of a log of the instance, whether or not it runs: the last 100, if nothing else is asked for. With `follow` it
   * goes on until unsubscribed, also over later runs; when the instance is deleted, or the manager closed, it emits all that was
   * written by then, and completes. Also fails with {@link LogNotFound} and {@link LogUnreadable}.
   */
  logs(idOrName: string, options?: LogOptions): Observable<LogLine>;
  /** Emits what the controllers know of an instance: how its policies stand, and what they will do next. Found as by `get`. */
  status(idOrName: string): Observable<InstanceStatus>;
  /**
   * Leaves an instance with auto-standby alone for its `idleTimeoutMs` from now on, whoever is connected; a later hold takes the place of
   * an earlier one. Nothing to do where it has no such policy, or does not run. Emits the instance. Also fails with
   * {@link NotSupported} where no controller puts anything on standby.
   */
  hold(idOrName: string): Observable<Instance>;
}
