import {
  Observable,
  type Observer,
  type OperatorFunction,
  Subscriber,
  Subscription,
  type Unsubscribable,
} from 'rxjs';

/**
 * Brings an observer, which never throws, what an Observable gives, for as long as the subscription is open; what is
 * returned is unsubscribed at its end.
 */
export type Connect<T> = (observer: Observer<T>, subscription: Subscription) => Unsubscribable | undefined;

/** Brings what another Observable gives. */
export const through =
  <T>(source$: Observable<T>): Connect<T> =>
  (observer, subscription) => {
    const link = new Subscriber<T>(observer);
    // Before it emits: who wants to leave within the first value can.
    subscription.add(link);
    source$.subscribe(link);
    return undefined;
  };

/**
 * An Observable whose subscribers can hurt nobody but themselves. A subscriber that throws, or that has no `error`
 * handler when an error reaches it, is unsubscribed and `onThrow` is told; RxJS would throw again from a timer and so
 * end the process, or throw at the source. What a teardown throws while the stream tells something is told likewise. It
 * holds through `pipe`, operators included; it ends where another Observable is built around this one.
 */
// A subclass, since only a `subscribe` of its own sees who subscribes.
// eslint-disable-next-line rxjs-x/no-subclass
export class ContainedObservable<T> extends Observable<T> {
  readonly #connect: Connect<T>;
  readonly #onThrow: (error: unknown) => void;

  constructor(connect: Connect<T>, onThrow: (error: unknown) => void) {
    super();
    this.#connect = connect;
    this.#onThrow = onThrow;
    // An override by assignment: `pipe` has a dozen overloads, and this one adds nothing to their types.
    this.pipe = ((...operators: OperatorFunction<unknown, unknown>[]) =>
      new ContainedObservable(
        through(operators.reduce<Observable<unknown>>((piped$, operator) => operator(piped$), this)),
        onThrow,
      )) as typeof this.pipe;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    const observer =
      typeof observerOrNext === 'object' && observerOrNext !== null
        ? observerOrNext
        : handlersOf(error, complete);
    // A function is called as it is: to bind one costs more than the call.
    const next = typeof observerOrNext === 'function' ? observerOrNext : observer.next?.bind(observer);
    let held: Unsubscribable | undefined;
    // A Subscriber is an operator's own link, or of somebody who wants to leave within the first value.
    const isLink = observer instanceof Subscriber;
    const subscription = isLink ? observer : new Subscription(() => held?.unsubscribe());
    const contained = new ContainedObserver(observer, next, subscription, this.#onThrow);
    try {
      held = this.#connect(contained, subscription);
    } catch (error) {
      contained.error(error);
    }
    // Not added where that can be helped: RxJS makes an array for it, and arrays of those who stay long teach V8 to keep
    // those of others long too, with all that hangs on them.
    if (isLink) subscription.add(held);
    else if (subscription.closed) held?.unsubscribe();
    return subscription;
  }
}

/** What handles an error and the end; of those who handle neither there are many, and they need one between them. */
const handlersOf = <T>(
  error: Observer<T>['error'] | null | undefined,
  complete: Observer<T>['complete'] | null | undefined,
): Partial<Observer<T>> =>
  error || complete ? { ...(error && { error }), ...(complete && { complete }) } : deaf;

const deaf = {};

/** Keeps what an observer throws from the source. */
class ContainedObserver<T> implements Observer<T> {
  readonly #observer: Partial<Observer<T>>;
  readonly #next: (value: T) => void;
  readonly #subscription: Subscription;
  readonly #onThrow: (error: unknown) => void;

  constructor(
    observer: Partial<Observer<T>>,
    next: ((value: T) => void) | undefined,
    subscription: Subscription,
    onThrow: (error: unknown) => void,
  ) {
    this.#observer = observer;
    this.#next = next ?? nothing;
    this.#subscription = subscription;
    this.#onThrow = onThrow;
  }

  next(value: T): void {
    try {
      this.#next(value);
    } catch (error) {
      this.#onThrow(error);
      this.#leave();
    }
  }

  error(error: unknown): void {
    const observer = this.#observer;
    if (observer.error) this.#tell(() => observer.error?.(error));
    else this.#onThrow(error);
    this.#leave();
  }

  complete(): void {
    // Not to one who threw at the value before.
    if (this.#subscription.closed) return;
    this.#tell(() => this.#observer.complete?.());
    this.#leave();
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onThrow(error);
    }
  }

  /** Before RxJS does it after the end: a teardown may throw. */
  #leave(): void {
    this.#tell(() => {
      this.#subscription.unsubscribe();
    });
  }
}

const nothing = (): void => undefined;
