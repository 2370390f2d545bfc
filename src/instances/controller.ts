import type * as t from 'io-ts';
import type { Observable } from 'rxjs';
import type { CheckOutcome, CheckProgram } from '../lifecycle/checkProgram.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import type { WatchOptions } from '../streams/eventOptions.js';
import type { Instances } from './instances.js';
import type { InstanceStatus } from './instanceStatus.js';
import type { KeptTable } from './keptTable.js';
import type { Logger } from './logger.js';

/** A pipeline over the instances of a manager that calls verbs. The manager opens it once it is open itself. */
export interface Controller {
  /**
   * Names its watch as a consumer, what it does as the `by` of a cause, and what it remembers: a lower-case letter, then up to 63 of
   * lower-case letters, digits and `_`.
   */
  readonly name: string;
  /** Begins its work. After a failure it is opened again, with a back-off. */
  open(port: ControllerPort): RunningController;
}

/** A controller at work. */
export interface RunningController {
  /**
   * Does the work while it is subscribed, and emits what was decided once it has been done or has failed. The manager subscribes
   * once, and unsubscribes when it closes. An error means that the controller has failed.
   */
  readonly decisions$: Observable<Decision>;
  /** What it knows of an instance. */
  status?(instance: Instance): InstanceStatus;
  /** Puts off what it would do to an instance that nobody uses; completes once that holds. */
  hold?(instance: Instance): Observable<never>;
  /** Emits where clients connect to for a port of an instance, in the place of where its machine listens; nothing where that is as it is. */
  endpoint?(instance: Instance, guest: number): Observable<Endpoint>;
}

/** What a controller has to do with. */
export interface ControllerPort {
  /** The table first, then its changes, as `watch` of the manager; counted under the controller's name. */
  watch(options?: WatchOptions): Observable<InstanceChange>;
  /** The verbs of the manager. What comes of them has the controller's name as `by` of its cause. */
  readonly instances: Instances;
  /** What it remembers of instances: kept with them, also over managers, and gone with them. */
  remembered<Memory>(codec: t.Type<Memory, Json>): Remembered<Memory>;
  /** A table of named things that are no instance's, as {@link KeptTable} of the manager has it. */
  table<Thing>(name: string, codec: t.Type<Thing, Json>): KeptTable<Thing>;
  /** Where the machine of an instance has one of its ports now, whatever its state; nothing where it has no machine, or not that port. */
  addressOf(instanceId: string, guest: number): Endpoint | undefined;
  /**
   * Runs a program beside that of an instance, to find out how that is, and emits how it ended. It completes without a value where the
   * machine ends before, or is not there, and fails where the program can't be run.
   */
  check(instanceId: string, program: CheckProgram): Observable<CheckOutcome>;
  /** Unix time in milliseconds. */
  now(): number;
  readonly logger: Logger;
}

/** What a controller remembers of instances. Whatever fails does so with {@link StoreFailed}. */
export interface Remembered<Memory> {
  /** Emits it once, by instance. What is not understood is told to the logger, and left out. */
  load(): Observable<ReadonlyMap<string, Memory>>;
  /** Completes once it is kept, in the order of the subscribes; `undefined` forgets. Of an instance that is gone nothing is kept. */
  save(instanceId: string, memory: Memory | undefined): Observable<never>;
}

/** What a controller decided about an instance, and what came of it. */
export interface Decision {
  readonly instanceId: string;
  /** What it did: a verb of {@link Instances}, or a word of its own. */
  readonly verb: string;
  /** Why, in a word: the `reason` of the cause. */
  readonly reason: string;
  /** With what that failed. */
  readonly error?: unknown;
}
