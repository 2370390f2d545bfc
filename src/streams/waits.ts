import type { Observable, Observer, Subscription, Unsubscribable } from 'rxjs';
import { hasTag, InstanceNotFound, ManagerClosed, StateUnreadable } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import { type Delayed, type DelayLine, Delays } from './delays.js';
import type { Listener } from './listeners.js';
import { type ReadResult, readOnce } from './readOnce.js';
import { monotonicNow } from './monotonicNow.js';
import { type Polled, SharedPoll } from './sharedPoll.js';
import { createDecodeWait, type DecodeWait, type WaitOptions, type WaitSettings } from './waitOptions.js';

/** How a wait ended. */
export interface WaitOutcome {
  readonly state: State;
  /** Why the state is `Unknown`. */
  readonly stateError?: string;
  /** The newest view of the instance. */
  readonly instance: Instance;
  /** Whether the state is a target. If not, `timedOut` tells whether time was up, or the target out of reach. */
  readonly reached: boolean;
  /** Whether the deadline came first. */
  readonly timedOut: boolean;
  /**
   * What decided: the first read, an event, a poll, or the read at the deadline. A manager publishes what its polls
   * find, so that there such a change arrives as an `event`.
   */
  readonly via: 'read' | 'event' | 'poll' | 'deadline';
  readonly elapsedMs: number;
  /** Reads that were answered to this wait, failed ones included. */
  readonly reads: number;
}

/** Who listens for a wait; an error ends it. */
export interface WaitListener extends Listener<LifecycleEvent> {
  error(error: unknown): void;
}

/** Where waits learn of instances. */
export interface WaitPort {
  /** Adds a listener of the events of an instance; what it returns is what `removeListener` needs besides. */
  addListener(instanceId: string, listener: WaitListener): Subscription | undefined;
  removeListener(instanceId: string, listener: WaitListener, added: Subscription | undefined): void;
  /** How instances are found that are known by more than their id. */
  readonly names?: WaitNames;
  /** Calls back with what is known now, once, as {@link readOnce} does. */
  known(instanceId: string, callback: (found: ReadResult<Instance>) => void): Subscription | undefined;
  /** What is true, where that may differ from what is known. */
  truth(instanceId: string): Observable<Instance>;
}

/** Where waits learn which instance is meant. */
export interface WaitNames {
  /** The id of an instance. @throws {@link InstanceNotFound}, {@link AmbiguousName} */
  idOf(idOrName: string): string;
  /** Adds a listener of the first event of the next instance that is created with this id or name. */
  addCreationListener(idOrName: string, listener: WaitListener): void;
  removeCreationListener(idOrName: string, listener: WaitListener): void;
}

/** How a wait ended, for whoever keeps the books. One that was left has not ended. */
export interface WaitEnd {
  readonly outcome: 'reached' | 'unreachable' | 'timed_out' | 'failed';
  readonly via: WaitOutcome['via'] | 'none';
  readonly seconds: number;
}

const decodeWait = createDecodeWait();

/** How long the read at the deadline may take. */
const lastReadMs = 1_000;

/**
 * Waits that share one poll and their timers, so that a hundred thousand can be pending: each is one object that listens
 * to the events of its instance, polls with all others who wait for it, and stands in a line for its deadline.
 */
export class Waits {
  readonly port: WaitPort;
  readonly onEnd: (end: WaitEnd) => void;
  readonly decode: DecodeWait;
  readonly deadlines = new Delays();
  readonly polls: SharedPoll<Instance>;

  constructor(port: WaitPort, onEnd: (end: WaitEnd) => void = () => undefined, decode = decodeWait) {
    this.port = port;
    this.onEnd = onEnd;
    this.decode = decode;
    this.polls = new SharedPoll(port.truth, new Delays());
  }

  /**
   * Begins a wait for an observer, which must not throw; what is returned leaves it.
   *
   * @throws {@link InstanceNotFound}, {@link AmbiguousName}
   */
  begin(
    observer: Observer<WaitOutcome>,
    subscription: Subscription,
    idOrName: string,
    target: State | readonly State[],
    options: WaitOptions,
  ): Unsubscribable | undefined {
    // Left before it began: what it would take hold of nobody would let go.
    if (subscription.closed) return undefined;
    let settings: WaitSettings;
    try {
      settings = this.decode(target, options);
    } catch (error) {
      this.onEnd(failed(0));
      observer.error(error);
      return undefined;
    }
    if (settings.signal?.aborted === true) {
      this.onEnd(failed(0));
      observer.error(settings.signal.reason);
      return undefined;
    }
    const instanceId = this.#idOf(idOrName, settings);
    const wait = new Wait(this, observer, instanceId ?? idOrName, settings);
    if (instanceId === undefined) wait.expect(settings);
    else wait.begin(settings);
    return wait;
  }

  #idOf(idOrName: string, { mayBeAbsent }: WaitSettings): string | undefined {
    const { names } = this.port;
    if (names === undefined) return idOrName;
    try {
      return names.idOf(idOrName);
    } catch (error) {
      if (mayBeAbsent && hasTag(error, 'InstanceNotFound')) return undefined;
      throw error;
    }
  }

  /** Ends every wait with an error. */
  fail(error: Error): void {
    for (const wait of this.deadlines) (wait as Delayed & WaitListener).error(error);
  }
}

const failed = (elapsedMs: number): WaitEnd => ({
  outcome: 'failed',
  via: 'none',
  seconds: elapsedMs / 1_000,
});

class Wait implements WaitListener, Delayed {
  place: number | undefined;
  line: DelayLine | undefined;
  due = 0;
  before: Delayed | undefined;
  after: Delayed | undefined;
  readonly #waits: Waits;
  readonly #observer: Observer<WaitOutcome>;
  /** What was asked for, until it is there. */
  #instanceId: string;
  readonly #targets: readonly State[];
  readonly #deadEnds: readonly State[];
  readonly #mayBeAbsent: boolean;
  readonly #pollMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt = monotonicNow();
  #isOver = false;
  #isExpecting = false;
  #isLate = false;
  #newest: Instance | undefined;
  #reads = 0;
  #lastFailure: ErrorOptions | undefined;
  #added: Subscription | undefined;
  /** The read that is under way. */
  #reading: Subscription | undefined;
  #polled: Polled<Instance> | undefined;
  #pollListener: Listener<ReadResult<Instance>> | undefined;
  #onAbort: (() => void) | undefined;

  constructor(waits: Waits, observer: Observer<WaitOutcome>, instanceId: string, settings: WaitSettings) {
    this.#waits = waits;
    this.#observer = observer;
    this.#instanceId = instanceId;
    this.#targets = settings.targets;
    this.#deadEnds = settings.deadEnds;
    this.#mayBeAbsent = settings.mayBeAbsent;
    this.#pollMs = settings.pollMs;
    this.#signal = settings.signal;
  }

  /** Listens first, then reads, then polls: nothing that happens in between is missed. Each step may be the last. */
  begin(settings: WaitSettings): void {
    this.#heedSignal();
    const { addListener, removeListener, known } = this.#waits.port;
    const added = addListener(this.#instanceId, this);
    if (this.#isOver) removeListener(this.#instanceId, this, added);
    else {
      this.#added = added;
      const reading = known(this.#instanceId, (found) => {
        this.weigh(found, 'read');
      });
      // Most have told by now.
      if (reading?.closed === false) this.#reading = reading;
      this.#pollUntilDeadline(settings);
    }
  }

  #pollUntilDeadline({ timeoutMs }: WaitSettings): void {
    if (this.#isOver) return;
    this.#poll();
    this.#waits.deadlines.start(this, timeoutMs);
  }

  /** Waits for the instance to be made: there is nothing to read or to poll before. */
  expect({ timeoutMs }: WaitSettings): void {
    this.#heedSignal();
    this.#isExpecting = true;
    this.#names.addCreationListener(this.#instanceId, this);
    this.#waits.deadlines.start(this, timeoutMs);
  }

  get #names(): WaitNames {
    return this.#waits.port.names as WaitNames;
  }

  #poll(): void {
    this.#pollListener = new PollListener(this);
    this.#polled = this.#waits.polls.join(this.#instanceId, this.#pollMs, this.#pollListener);
  }

  /** Goes on with the instance that was made, of which it hears from the next event on. */
  #begun({ instanceId }: LifecycleEvent): void {
    this.#isExpecting = false;
    this.#names.removeCreationListener(this.#instanceId, this);
    this.#instanceId = instanceId;
    this.#added = this.#waits.port.addListener(instanceId, this);
    this.#poll();
  }

  /** An event of the instance. */
  next(event: LifecycleEvent): void {
    if (this.#isExpecting) this.#begun(event);
    // A source may tell the events of others too.
    if (event.instanceId !== this.#instanceId) return;
    if (event.action === 'delete') this.error(new InstanceNotFound({ idOrName: this.#instanceId }));
    else if (event.instance !== undefined) this.#consider(event.instance, 'event');
  }

  /** The events end: their source was closed. */
  complete(): void {
    this.error(new ManagerClosed());
  }

  /** The wait has failed. */
  error(error: unknown): void {
    if (this.#isOver) return;
    this.unsubscribe();
    this.#waits.onEnd(failed(this.#elapsedMs()));
    this.#observer.error(error);
  }

  weigh(found: ReadResult<Instance>, via: WaitOutcome['via']): void {
    this.#reads += 1;
    if ('value' in found) this.#consider(found.value, via);
    else if (this.#isFinal(found.error)) this.error(found.error);
    else this.#lastFailure = { cause: found.error };
  }

  #isFinal(error: unknown): boolean {
    const isYetToCome = this.#mayBeAbsent && this.#newest === undefined;
    return hasTag(error, 'ManagerClosed') || (!isYetToCome && hasTag(error, 'InstanceNotFound'));
  }

  /** The deadline: one last read, for which there is a second at most. */
  onDue(): void {
    if (this.#isLate || this.#isExpecting) {
      this.#giveUp();
      return;
    }
    this.#isLate = true;
    this.#waits.deadlines.start(this, lastReadMs);
    this.#reading?.unsubscribe();
    const { truth } = this.#waits.port;
    this.#reading = readOnce(
      () => truth(this.#instanceId),
      (found) => {
        this.weigh(found, 'deadline');
        this.#giveUp();
      },
    );
  }

  /** Lets go of everything. */
  unsubscribe(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isExpecting) this.#names.removeCreationListener(this.#instanceId, this);
    else this.#waits.port.removeListener(this.#instanceId, this, this.#added);
    this.#reading?.unsubscribe();
    if (this.#pollListener !== undefined) this.#polled?.leave(this.#pollListener);
    this.#waits.deadlines.cancel(this);
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  #heedSignal(): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#onAbort = () => {
      this.error(signal.reason);
    };
    signal.addEventListener('abort', this.#onAbort);
  }

  /** A view older than one seen before decides nothing. */
  #consider(instance: Instance, via: WaitOutcome['via']): void {
    if (this.#newest !== undefined && instance.revision < this.#newest.revision) return;
    this.#newest = instance;
    if (this.#targets.includes(instance.state) || this.#deadEnds.includes(instance.state)) {
      this.#end(instance, via, false);
    }
  }

  #giveUp(): void {
    const failure = this.#lastFailure?.cause;
    if (this.#newest === undefined) {
      if (this.#isExpecting) this.error(new InstanceNotFound({ idOrName: this.#instanceId }));
      else if (hasTag(failure, 'InstanceNotFound')) this.error(failure);
      else this.error(new StateUnreadable({ instanceId: this.#instanceId }, this.#lastFailure));
    } else this.#end(this.#newest, 'deadline', true);
  }

  #end(instance: Instance, via: WaitOutcome['via'], timedOut: boolean): void {
    if (this.#isOver) return;
    this.unsubscribe();
    const elapsedMs = this.#elapsedMs();
    const { state, stateError } = instance;
    const reads = this.#reads;
    const reached = this.#targets.includes(state);
    const outcome: WaitOutcome = {
      state,
      ...(stateError === undefined ? {} : { stateError }),
      instance,
      reached,
      timedOut,
      via,
      elapsedMs,
      reads,
    };
    this.#waits.onEnd({
      outcome: timedOut ? 'timed_out' : reached ? 'reached' : 'unreachable',
      via,
      seconds: elapsedMs / 1_000,
    });
    this.#observer.next(outcome);
    this.#observer.complete();
  }

  #elapsedMs(): number {
    return monotonicNow() - this.#startedAt;
  }
}

/** Takes what polls bring to a wait. */
class PollListener implements Listener<ReadResult<Instance>> {
  place: number | undefined;
  readonly #wait: Wait;

  constructor(wait: Wait) {
    this.#wait = wait;
  }

  next(found: ReadResult<Instance>): void {
    this.#wait.weigh(found, 'poll');
  }

  complete(): void {
    // A poll never ends.
  }
}
