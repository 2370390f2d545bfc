import type { Observable, Subscription } from 'rxjs';
import type { Delayed, DelayLine, Delays } from './delays.js';
import { type Listener, Listeners } from './listeners.js';
import { type Look, look } from './look.js';

/** Reads things again and again for all who want to know, each thing once at a time. */
export class SharedPoll<T> {
  readonly read: (key: string) => Observable<T>;
  readonly delays: Delays;
  readonly #byInterval = new Map<number, Map<string, Polled<T>>>();

  /** The first value of a read counts; no value is an error, `EmptyError`. */
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
  join(key: string, intervalMs: number, listener: Listener<Look<T>>): Polled<T> {
    const byKey = this.#byInterval.get(intervalMs) ?? new Map<string, Polled<T>>();
    this.#byInterval.set(intervalMs, byKey);
    const polled = byKey.get(key) ?? new Polled(this, key, intervalMs);
    byKey.set(key, polled);
    polled.add(listener);
    return polled;
  }

  /** Forgets what nobody polls any more. */
  forget({ key, intervalMs }: Polled<T>): void {
    const byKey = this.#byInterval.get(intervalMs);
    byKey?.delete(key);
    if (byKey?.size === 0) this.#byInterval.delete(intervalMs);
  }
}

/** One thing that is polled at one interval, and all who do. */
export class Polled<T> implements Delayed {
  line: DelayLine | undefined;
  due = 0;
  before: Delayed | undefined;
  after: Delayed | undefined;
  readonly key: string;
  readonly intervalMs: number;
  readonly #poll: SharedPoll<T>;
  readonly #listeners = new Listeners<Look<T>>();
  /** Those who came while a read was under way, which is not told to them. */
  #late: Listener<Look<T>>[] | undefined;
  #isReading = false;
  #reading: Subscription | undefined;

  constructor(poll: SharedPoll<T>, key: string, intervalMs: number) {
    this.#poll = poll;
    this.key = key;
    this.intervalMs = intervalMs;
    poll.delays.start(this, intervalMs);
  }

  add(listener: Listener<Look<T>>): void {
    if (this.#isReading) (this.#late ??= []).push(listener);
    else this.#listeners.add(listener);
  }

  /** Lets a listener go, and with the last of them the read that is under way. */
  leave(listener: Listener<Look<T>>): void {
    this.#listeners.remove(listener);
    if (this.#late !== undefined) this.#late = this.#late.filter((late) => late !== listener);
    if (this.#listeners.size > 0 || (this.#late ?? []).length > 0) return;
    this.#poll.delays.cancel(this);
    this.#reading?.unsubscribe();
    this.#poll.forget(this);
  }

  onDue(): void {
    this.#isReading = true;
    this.#reading = look(
      () => this.#poll.read(this.key),
      (found) => {
        this.#tell(found);
      },
    );
  }

  #tell(found: Look<T>): void {
    // Over before it is told: who comes on hearing it waits for the next read, not for the one after.
    this.#isReading = false;
    this.#listeners.tell(found);
    for (const listener of this.#late ?? []) this.#listeners.add(listener);
    this.#late = undefined;
    if (this.#listeners.size > 0) this.#poll.delays.start(this, this.intervalMs);
  }
}
