import type { Lag } from './buffering.js';
import type { Feed } from './feed.js';
import type { QueueDepth, QueueRecorder } from './queueRecorder.js';
import type { QueueSettings } from './queueSettings.js';

/** Stands where a value was folded away. */
const hole = Symbol('hole');

/**
 * A queue of at most `capacity` values with an {@link Overflow} policy, which remembers where values were lost: what
 * {@link takeLag} tells and what {@link shift} gives are together all that was pushed, in its order.
 *
 * It pauses its feed where that spares the publisher work: with `dropNewest` from the first loss until there is room, with `resume`
 * from when it is full until it is empty.
 *
 * Slots are a ring that doubles as it fills, so that an idle queue of a large capacity costs nothing. Only `latest`
 * makes holes; they are closed when the ring is full, which keeps a push at constant cost on average.
 */
export class RingBuffer<T> implements QueueDepth {
  readonly #settings: QueueSettings<T>;
  readonly #recorder: QueueRecorder;
  readonly #feed: Feed<T>;
  #values = new Array<T | typeof hole | undefined>(4);
  /** What was lost just before the value in the slot. */
  #lags = new Array<Growing<T> | undefined>(4);
  /** For `latest`: the key of the value in the slot. */
  #keys: unknown[] = [];
  /** What was lost after the last value. */
  #lagBehind: Growing<T> | undefined;
  #head = 0;
  /** Slots from the head that are in use, holes included. */
  #used = 0;
  #size = 0;
  #highWater = 0;
  #isPaused = false;
  /** For `latest`: the slot of the newest waiting value of each key. */
  #newest = new Map<unknown, number>();
  /** For `latest`: the slots of values that a newer one of their key has made old, in the order in which that happened. */
  #superseded = new Set<number>();

  constructor(settings: QueueSettings<T>, recorder: QueueRecorder, feed: Feed<T>) {
    this.#settings = settings;
    this.#recorder = recorder;
    this.#feed = feed;
  }

  /** How many values wait. */
  get size(): number {
    return this.#size;
  }

  /** How many values ever waited at most. */
  get highWater(): number {
    return this.#highWater;
  }

  /** Puts a value last, at the cost that the policy demands. Returns `false` where the policy is to fail. */
  push(value: T): boolean {
    const { capacity, overflow } = this.#settings;
    const key = overflow === 'latest' ? this.#supersede(value) : undefined;
    // With `resume` the last one that fitted has paused the feed.
    if (overflow !== 'resume' && this.#size >= capacity) {
      switch (overflow) {
        case 'dropNewest':
          this.#lagBehind = lose(this.#lagBehind, value);
          this.#recorder.dropped('buffer_full', 1);
          this.#pause();
          return true;
        case 'dropOldest':
          this.#loseOldest();
          this.#recorder.dropped('overwritten', 1);
          break;
        case 'latest':
          if (this.#loseSuperseded()) this.#recorder.dropped('folded', 1);
          break;
        case 'fail':
          this.#recorder.dropped('failed', this.#size + 1);
          return false;
      }
    }
    this.#append(value, key);
    return true;
  }

  /** Takes what was lost before the first value; from an empty queue, what was lost since the last. */
  takeLag(): Lag<T> | undefined {
    this.#skipHoles();
    const lag = this.#used === 0 ? this.#lagBehind : this.#lags[this.#head];
    if (this.#used === 0) this.#lagBehind = undefined;
    else this.#lags[this.#head] = undefined;
    return lag;
  }

  /** Takes the first value. The queue must not be empty, and its lag must have been taken just before. */
  shift(): T {
    const { overflow } = this.#settings;
    if (this.#isPaused && overflow !== 'resume') this.#resume();
    const slot = this.#head;
    const value = this.#values[slot] as T;
    if (overflow === 'latest') this.#forgetKey(slot);
    this.#values[slot] = undefined;
    this.#advance();
    this.#size -= 1;
    // Last, since it may fill the queue; and of an empty one, so that the log is read by pages and not by values.
    if (this.#isPaused && this.#size === 0) this.#resume();
    return value;
  }

  /** Discards all that waits and all that was lost. */
  clear(): void {
    if (this.#isPaused && this.#settings.overflow !== 'resume') this.#resume();
    this.#values.fill(undefined);
    this.#lags.fill(undefined);
    this.#keys = [];
    this.#lagBehind = undefined;
    this.#used = 0;
    this.#size = 0;
    this.#newest.clear();
    this.#superseded.clear();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#feed.pause();
  }

  #resume(): void {
    this.#isPaused = false;
    const missed = this.#feed.resume();
    if (missed === undefined) return;
    // It was paused by a first loss, which is still the last thing that this queue knows of.
    const lag = this.#lagBehind as Growing<T>;
    lag.missed += missed.missed;
    lag.to = missed.to;
  }

  #append(value: T, key: unknown): void {
    if (this.#used === this.#values.length) this.#makeRoom();
    const slot = this.#slotAt(this.#used);
    this.#values[slot] = value;
    this.#lags[slot] = this.#lagBehind;
    this.#lagBehind = undefined;
    this.#used += 1;
    this.#size += 1;
    if (this.#size > this.#highWater) this.#highWater = this.#size;
    const { capacity, overflow } = this.#settings;
    if (overflow === 'resume' && this.#size >= capacity) this.#pause();
    if (overflow !== 'latest') return;
    this.#keys[slot] = key;
    this.#newest.set(key, slot);
  }

  #loseOldest(): void {
    const lag = this.takeLag();
    this.#joinAhead(lose(lag, this.shift()));
  }

  /** Makes way for a value as the newest of its key, and returns the key. */
  #supersede(value: T): unknown {
    const { keyOf, endsKey } = this.#settings;
    const key = keyOf(value);
    const slot = this.#newest.get(key);
    if (slot !== undefined && !endsKey(this.#values[slot] as T)) this.#superseded.add(slot);
    this.#newest.delete(key);
    return key;
  }

  /** Loses the value that has been old for the longest time, if there is one. */
  #loseSuperseded(): boolean {
    const [slot] = this.#superseded;
    if (slot === undefined) return false;
    this.#superseded.delete(slot);
    this.#lags[slot] = lose(this.#lags[slot], this.#values[slot] as T);
    this.#values[slot] = hole;
    this.#keys[slot] = undefined;
    this.#size -= 1;
    return true;
  }

  #forgetKey(slot: number): void {
    const key = this.#keys[slot];
    this.#keys[slot] = undefined;
    this.#superseded.delete(slot);
    if (this.#newest.get(key) === slot) this.#newest.delete(key);
  }

  #skipHoles(): void {
    while (this.#used > 0 && this.#values[this.#head] === hole) {
      const lag = this.#lags[this.#head];
      this.#values[this.#head] = undefined;
      this.#lags[this.#head] = undefined;
      this.#advance();
      this.#joinAhead(lag);
    }
  }

  /** Puts a lag before what was lost before the first value. */
  #joinAhead(lag: Growing<T> | undefined): void {
    if (this.#used === 0) this.#lagBehind = join(lag, this.#lagBehind);
    else this.#lags[this.#head] = join(lag, this.#lags[this.#head]);
  }

  /** Lays the values out anew without holes, in a ring twice as large unless holes took half of it. */
  #makeRoom(): void {
    const length = this.#values.length * (this.#size * 2 > this.#values.length ? 2 : 1);
    const values = new Array<T | typeof hole | undefined>(length);
    const lags = new Array<Growing<T> | undefined>(length);
    const keys: unknown[] = [];
    const moved = new Map<number, number>();
    let lag: Growing<T> | undefined;
    for (let index = 0; index < this.#used; index += 1) {
      const slot = this.#slotAt(index);
      lag = join(lag, this.#lags[slot]);
      if (this.#values[slot] === hole) continue;
      const place = moved.size;
      values[place] = this.#values[slot];
      lags[place] = lag;
      keys[place] = this.#keys[slot];
      moved.set(slot, place);
      lag = undefined;
    }
    this.#newest = new Map([...this.#newest].map(([key, slot]) => [key, moved.get(slot) as number]));
    this.#superseded = new Set([...this.#superseded].map((slot) => moved.get(slot) as number));
    this.#lagBehind = join(lag, this.#lagBehind);
    this.#values = values;
    this.#lags = lags;
    this.#keys = keys;
    this.#head = 0;
    this.#used = moved.size;
  }

  #advance(): void {
    this.#head = this.#slotAt(1);
    this.#used -= 1;
  }

  #slotAt(index: number): number {
    const slot = this.#head + index;
    return slot < this.#values.length ? slot : slot - this.#values.length;
  }
}

/** A lag that is still in the queue grows in its place: a queue that loses much makes no garbage. */
type Growing<T> = { -readonly [Key in keyof Lag<T>]: Lag<T>[Key] };

/** Adds a value to what was lost before it. */
function lose<T>(lag: Growing<T> | undefined, value: T): Growing<T> {
  if (lag === undefined) return { missed: 1, from: value, to: value };
  lag.missed += 1;
  lag.to = value;
  return lag;
}

/** Adds what was lost after to what was lost before. */
function join<T>(first: Growing<T> | undefined, second: Growing<T> | undefined): Growing<T> | undefined {
  if (first === undefined) return second;
  if (second === undefined) return first;
  first.missed += second.missed;
  first.to = second.to;
  return first;
}
