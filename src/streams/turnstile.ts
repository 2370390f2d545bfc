import { Observable } from 'rxjs';
import type { Gate, Lag } from './buffering.js';
import type { Listener } from './listeners.js';

/** Takes a listener in; what is returned lets it go. */
export type Join<T> = (listener: Listener<T>) => () => void;

/** A way to the values for one queue, which spares the publisher the telling while the queue is full. */
export interface GatedSource<T> {
  readonly values$: Observable<T>;
  readonly gate: Gate<T>;
}

/**
 * Counts the values that go by, so that whoever does not listen for a while can be told how many he has missed: a
 * thousand queues that are full cost a publisher no more than one.
 */
export class Turnstile<T> {
  #count = 0;
  #latest: T | undefined;
  readonly #closed = new Set<ClosedGate>();

  /** How many values have gone by. */
  get passed(): number {
    return this.#count;
  }

  pass(value: T): void {
    this.#count += 1;
    // Held only for those who may ask for it.
    if (this.#closed.size > 0) this.#latest = value;
  }

  /** Books what all closed gates have kept out so far. */
  settle(): void {
    for (const { book } of this.#closed) book();
  }

  /** Tells the end to those behind closed gates. */
  complete(): void {
    for (const { complete } of this.#closed) complete();
  }

  /** Takes in one who listens to nothing for now, to be told the end; what is returned lets him go. */
  wait(complete: () => void): () => void {
    const closed: ClosedGate = { book: nothing, complete };
    this.#closed.add(closed);
    return () => {
      this.#release(closed);
    };
  }

  /** Makes a source for one subscriber; `onMissed` is told how many values a closed gate kept out. */
  gated(join: Join<T>, onMissed: (count: number) => void): GatedSource<T> {
    let enter = nothing;
    let leave = nothing;
    let complete = nothing;
    let booked = 0;
    let missed = 0;
    let to: T | undefined;

    const book = (): void => {
      const more = this.#count - booked;
      booked = this.#count;
      missed += more;
      to = this.#latest;
      onMissed(more);
    };

    const closed: ClosedGate = {
      book,
      complete: () => {
        complete();
      },
    };

    const settle = (): void => {
      if (!this.#closed.has(closed)) return;
      book();
      this.#release(closed);
    };

    return {
      values$: new Observable((subscriber) => {
        const listener: Listener<T> = {
          next: (value) => {
            subscriber.next(value);
          },
          complete: () => {
            subscriber.complete();
          },
        };
        enter = () => {
          leave = join(listener);
        };
        complete = () => {
          subscriber.complete();
        };
        enter();
        return () => {
          enter = nothing;
          leave();
          settle();
        };
      }),
      gate: {
        close: () => {
          leave();
          booked = this.#count;
          this.#closed.add(closed);
        },
        open: (): Pick<Lag<T>, 'missed' | 'to'> | undefined => {
          settle();
          enter();
          const kept = missed === 0 ? undefined : { missed, to: to as T };
          missed = 0;
          to = undefined;
          return kept;
        },
      },
    };
  }

  #release(closed: ClosedGate): void {
    this.#closed.delete(closed);
    if (this.#closed.size === 0) this.#latest = undefined;
  }
}

/** A gate that keeps values out at this moment. */
interface ClosedGate {
  readonly book: () => void;
  readonly complete: () => void;
}

const nothing = (): void => undefined;
