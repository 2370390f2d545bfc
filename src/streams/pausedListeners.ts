import { noop, type Subscriber } from 'rxjs';
import type { Feed } from './feed.js';
import type { Listener } from './listeners.js';

/** Adds a listener; what is returned removes it. */
export type Listen<T> = (listener: Listener<T>) => () => void;

/**
 * Counts the values that are published, so that a listener that is paused knows how many it missed: a thousand queues that are full
 * cost a publisher no more than one.
 */
export class PausedListeners<T> {
  #published = 0;
  #latest: T | undefined;
  readonly #paused = new Set<Paused>();

  /** How many values have been published. */
  get published(): number {
    return this.#published;
  }

  /** A value is published. */
  count(value: T): void {
    this.#published += 1;
    // Kept only while somebody may ask for it.
    if (this.#paused.size > 0) this.#latest = value;
  }

  /** Reports what each has missed so far. */
  report(): void {
    for (const { report } of this.#paused) report();
  }

  /** Completes all that are paused. */
  complete(): void {
    for (const { complete } of this.#paused) complete();
  }

  /** Adds one that misses nothing, to be completed; what is returned removes it. */
  add(complete: () => void): () => void {
    const paused: Paused = { report: noop, complete };
    this.#paused.add(paused);
    return () => {
      this.#remove(paused);
    };
  }

  /** The feed of one subscriber, which misses what is published while it is paused; `onMissed` is called with how many. */
  feed(subscriber: Subscriber<T>, listen: Listen<T>, onMissed: (count: number) => void): Feed<T> {
    let unlisten = noop;
    let reported = 0;
    let missed = 0;
    let to: T | undefined;

    const report = (): void => {
      const more = this.#published - reported;
      reported = this.#published;
      missed += more;
      to = this.#latest;
      onMissed(more);
    };

    const paused: Paused = {
      report,
      complete: () => {
        subscriber.complete();
      },
    };

    const unpause = (): void => {
      if (!this.#paused.has(paused)) return;
      report();
      this.#remove(paused);
    };

    const start = (): void => {
      unlisten = listen(subscriber);
    };

    subscriber.add(() => {
      unlisten();
      unpause();
    });

    return {
      start,
      pause: () => {
        unlisten();
        reported = this.#published;
        this.#paused.add(paused);
      },
      resume: () => {
        unpause();
        if (!subscriber.closed) start();
        const kept = missed === 0 ? undefined : { missed, to: to as T };
        missed = 0;
        to = undefined;
        return kept;
      },
    };
  }

  #remove(paused: Paused): void {
    this.#paused.delete(paused);
    if (this.#paused.size === 0) this.#latest = undefined;
  }
}

/** A listener that is paused at this moment. */
interface Paused {
  readonly report: () => void;
  readonly complete: () => void;
}
