import { asyncScheduler, type Subscription } from 'rxjs';
import { monotonicNow } from './monotonicNow.js';

/** Something that is to happen after a delay. The fields are the line's own. */
export interface Delayed {
  /** The delay is over. */
  onDue(): void;
  line?: DelayLine | undefined;
  due?: number;
  before?: Delayed | undefined;
  after?: Delayed | undefined;
}

/**
 * Delays by the hundred thousand: those of one length end in the order in which they began, so that each length needs
 * one timer, and to start or to cancel a delay is to put it into a list or to take it out.
 */
export class Delays {
  readonly #lines = new Map<number, DelayLine>();

  start(delayed: Delayed, delayMs: number): void {
    let line = this.#lines.get(delayMs);
    if (line === undefined) {
      line = new DelayLine(delayMs, () => this.#lines.delete(delayMs));
      this.#lines.set(delayMs, line);
    }
    line.append(delayed);
  }

  /** Forgets a delay; one that is over, or was never started, is forgotten already. */
  cancel(delayed: Delayed): void {
    delayed.line?.remove(delayed);
  }

  /** All that are under way at this moment, whatever becomes of them while they are told. */
  [Symbol.iterator](): IterableIterator<Delayed> {
    return [...this.#lines.values()].flatMap((line) => [...line]).values();
  }
}

/** The delays of one length, in the order in which they end. */
export class DelayLine {
  readonly #delayMs: number;
  readonly #onEmpty: () => void;
  #first: Delayed | undefined;
  #last: Delayed | undefined;
  #timer: Subscription | undefined;
  #isRunning = false;
  /** The last whose turn it is, while some are told that they are due. */
  #lastInTurn: Delayed | undefined;

  constructor(delayMs: number, onEmpty: () => void) {
    this.#delayMs = delayMs;
    this.#onEmpty = onEmpty;
  }

  append(delayed: Delayed): void {
    delayed.line = this;
    delayed.due = monotonicNow() + this.#delayMs;
    delayed.before = this.#last;
    delayed.after = undefined;
    if (this.#last === undefined) this.#first = delayed;
    else this.#last.after = delayed;
    this.#last = delayed;
    if (this.#timer === undefined) this.#setTimer(this.#delayMs);
  }

  remove(delayed: Delayed): void {
    this.#unlink(delayed);
    if (this.#first === undefined && !this.#isRunning) this.#stop();
  }

  *[Symbol.iterator](): IterableIterator<Delayed> {
    let delayed = this.#first;
    while (delayed !== undefined) {
      yield delayed;
      delayed = delayed.after;
    }
  }

  #unlink(delayed: Delayed): void {
    const { before, after } = delayed;
    if (delayed === this.#lastInTurn) this.#lastInTurn = before;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    delayed.line = undefined;
    delayed.before = undefined;
    delayed.after = undefined;
  }

  #setTimer(delayMs: number): void {
    this.#timer = asyncScheduler.schedule(() => {
      this.#run();
    }, delayMs);
  }

  #stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    this.#onEmpty();
  }

  #run(): void {
    this.#isRunning = true;
    // Those that begin meanwhile have the next turn, else one that always begins anew would keep out all others.
    this.#lastInTurn = this.#last;
    const now = monotonicNow();
    while (this.#lastInTurn !== undefined) {
      const due = this.#first as Delayed;
      // A timer may be early by the part of a millisecond that it does not count.
      if ((due.due as number) - now >= 1) break;
      this.#unlink(due);
      due.onDue();
    }
    this.#lastInTurn = undefined;
    this.#isRunning = false;
    if (this.#first === undefined) this.#stop();
    // What came due while the others had their turn is late by now; Node warns of a timer for less than nothing.
    else this.#setTimer(Math.max(0, (this.#first.due as number) - monotonicNow()));
  }
}
