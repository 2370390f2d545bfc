import type { Observable, Subscription } from 'rxjs';
import { SweptMap } from './sweptMap.js';
import type { Delayed, DelayLine, Delays } from './delays.js';
import { type Listener, Listeners } from './listeners.js';
import { type ReadResult, readOnce } from './readOnce.js';

/** Reads things again and again for all who want to know, each thing once at a time. */
export class SharedPoll<T> {
  readonly read: (key: string) => Observable<T>;
  readonly delays: Delays;
  readonly #byInterval = new Map<number, SweptMap<Polled<T>>>();

  /** The first value of a read counts; no value is an error. */
  constructor(read: (key: string) => Observable<T>, delays: Delays) {
    this.read = read;
    this.delays = delays;
  }

  /**
   * Tells a listener what the reads of `key` bring, until it leaves. All who poll a key at one interval share its reads:
   * the first begins one interval after the first of them came, every other one interval after the end of the one
   * before, so that they never overlap. What a read brings that began before the listener came is not told to it: it may
   * be older than what the listener knows.
   */
  join(key: string, intervalMs: number, listener: Listener<ReadResult<T>>): Polled<T> {
    const polled = this.#directoryOf(intervalMs).fill(key, () => new Polled(this, key, intervalMs));
    polled.add(listener);
    return polled;
  }

  /** Nobody polls it any more. */
  emptied({ intervalMs }: Polled<T>): void {
    const directory = this.#directoryOf(intervalMs);
    directory.emptied();
    if (directory.isEmpty) this.#byInterval.delete(intervalMs);
  }

  #directoryOf(intervalMs: number): SweptMap<Polled<T>> {
    const directory = this.#byInterval.get(intervalMs) ?? new SweptMap<Polled<T>>();
    this.#byInterval.set(intervalMs, directory);
    return directory;
  }
}

/** One thing that is polled at one interval, and all who do. */
export class Polled<T> extends Listeners<ReadResult<T>> implements Delayed {
  line: DelayLine | undefined;
  due = 0;
  before: Delayed | undefined;
  after: Delayed | undefined;
  readonly key: string;
  readonly intervalMs: number;
  readonly #poll: SharedPoll<T>;
  /** Those who came while a read was under way, which is not told to them. */
  #late: Listener<ReadResult<T>>[] | undefined;
  #isReading = false;
  #reading: Subscription | undefined;

  constructor(poll: SharedPoll<T>, key: string, intervalMs: number) {
    super();
    this.#poll = poll;
    this.key = key;
    this.intervalMs = intervalMs;
  }

  override get isEmpty(): boolean {
    return super.isEmpty && (this.#late ?? []).length === 0;
  }

  override add(listener: Listener<ReadResult<T>>): void {
    if (this.isEmpty) this.#poll.delays.start(this, this.intervalMs);
    if (this.#isReading) (this.#late ??= []).push(listener);
    else super.add(listener);
  }

  /** Lets a listener go, and with the last of them the read that is under way. */
  leave(listener: Listener<ReadResult<T>>): void {
    this.remove(listener);
    if (this.#late !== undefined) this.#late = this.#late.filter((late) => late !== listener);
    if (!this.isEmpty) return;
    this.#poll.delays.cancel(this);
    this.#reading?.unsubscribe();
    this.#isReading = false;
    this.#poll.emptied(this);
  }

  onDue(): void {
    this.#isReading = true;
    this.#reading = readOnce(
      () => this.#poll.read(this.key),
      (found) => {
        this.#tell(found);
      },
    );
  }

  #tell(found: ReadResult<T>): void {
    // Over before it is told: who comes on hearing it waits for the next read, not for the one after.
    this.#isReading = false;
    this.hold();
    this.emit(found);
    for (const listener of this.#late ?? []) super.add(listener);
    this.#late = undefined;
    // Whoever came first after all had left has started the next delay.
    if (!this.isEmpty && this.line === undefined) this.#poll.delays.start(this, this.intervalMs);
  }
}
