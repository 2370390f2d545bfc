import type { Observable, ObservableInput } from 'rxjs';
import type { LogOptions } from '../drivers/driver.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { DriverFields, Instance } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import type { Buffering, WatchBuffering, WorkBuffering } from '../streams/buffering.js';
import type { ConsumerStats } from '../streams/consumers.js';
import type { EventsOptions } from '../streams/lifecycleBus.js';
import type { InstanceChange } from '../streams/snapshotThen.js';
import type { WaitOptions, WaitOutcome } from '../streams/waitForState.js';

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
}

/** What to change; the rest stays. What concerns the machine takes effect at the next start. At least one field. */
export interface UpdateRequest extends DriverFields {
  /** Replaces all environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces all labels. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** What to run from this start on, instead of what the spec says. */
export interface StartOverrides {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
}

/** How to fork. */
export interface ForkRequest {
  /** Name of the fork. */
  readonly name: string;
  /** Whether the source may be running; it is put on standby while it is copied. @defaultValue false */
  readonly fromRunning?: boolean;
  /** State that the fork is brought to. @defaultValue the source's */
  readonly targetState?: 'Stopped' | 'Standby' | 'Running';
}

/** Which instances to list; several conditions must all hold. */
export interface ListFilter {
  readonly state?: State;
  readonly driver?: string;
  /** Labels that an instance has to have, with these values. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** The verbs that controllers use. */
export interface Commands {
  /** Starts a stopped instance. No-op when it is Running or Initializing, unless there are overrides. */
  start(idOrName: string, overrides?: StartOverrides): Observable<Instance>;
  stop(idOrName: string): Observable<Instance>;
  standby(idOrName: string): Observable<Instance>;
  restore(idOrName: string): Observable<Instance>;
  restart(idOrName: string): Observable<Instance>;
  delete(idOrName: string): Observable<Instance>;
  refresh(idOrName: string): Observable<Instance>;
}

/** How long something took, or that it happened; what {@link createMetrics} counts. */
export type Measurement =
  | { readonly kind: 'verb'; readonly verb: string; readonly result: string; readonly seconds: number }
  | {
      readonly kind: 'wait';
      readonly outcome: 'reached' | 'unreachable' | 'timed_out' | 'failed';
      readonly via: WaitOutcome['via'] | 'none';
      readonly seconds: number;
    }
  | { readonly kind: 'commit'; readonly seconds: number }
  | { readonly kind: 'found_by_poll'; readonly instanceId: string };

export interface InstanceManager extends Commands {
  create(request: CreateRequest): Observable<Instance>;
  get(idOrName: string): Observable<Instance>;
  list(filter?: ListFilter): Observable<readonly Instance[]>;
  update(idOrName: string, patch: UpdateRequest): Observable<Instance>;
  fork(idOrName: string, request: ForkRequest): Observable<Instance>;
  logs(idOrName: string, options?: LogOptions): Observable<string>;

  events(consumer: string, options?: EventsOptions): Observable<LifecycleEvent>;
  consume<R>(
    consumer: string,
    project: (event: LifecycleEvent, index: number) => ObservableInput<R>,
    buffering?: WorkBuffering<LifecycleEvent>,
  ): Observable<R>;
  iterate(consumer: string, buffering?: Buffering<LifecycleEvent>): AsyncIterable<LifecycleEvent>;
  watch(consumer: string, buffering?: WatchBuffering): Observable<InstanceChange>;
  waitForState(
    idOrName: string,
    target: State | readonly State[],
    options?: WaitOptions,
  ): Observable<WaitOutcome>;

  stats(): Readonly<Record<string, ConsumerStats>>;
  readonly measurements$: Observable<Measurement>;
  close(options?: { readonly stopInstances?: boolean }): Promise<void>;
}
