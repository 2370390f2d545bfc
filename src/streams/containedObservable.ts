import { Observable, type Observer, type OperatorFunction, Subscriber, type Subscription } from 'rxjs';

/**
 * An Observable whose subscribers can hurt nobody but themselves. A subscriber that throws, or that has no `error`
 * handler when an error reaches it, is unsubscribed and `onThrow` is told; RxJS would throw again from a timer and so
 * end the process. It holds through `pipe`; it ends where another Observable is built around this one.
 */
// A subclass, since only a `subscribe` of its own sees who subscribes.
// eslint-disable-next-line rxjs-x/no-subclass
export class ContainedObservable<T> extends Observable<T> {
  readonly #source$: Observable<T>;
  readonly #onThrow: (error: unknown) => void;

  constructor(source$: Observable<T>, onThrow: (error: unknown) => void) {
    super();
    this.#source$ = source$;
    this.#onThrow = onThrow;
    // An override by assignment: `pipe` has a dozen overloads, and this one adds nothing to their types.
    this.pipe = ((...operators: OperatorFunction<unknown, unknown>[]) =>
      new ContainedObservable(
        operators.reduce<Observable<unknown>>((piped$, operator) => operator(piped$), source$),
        onThrow,
      )) as typeof this.pipe;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // A Subscriber is an operator's own link; what it does with errors is that operator's.
    if (observerOrNext instanceof Subscriber) return this.#source$.subscribe(observerOrNext);
    const observer =
      typeof observerOrNext === 'object' && observerOrNext !== null
        ? observerOrNext
        : { next: observerOrNext ?? undefined, error: error ?? undefined, complete: complete ?? undefined };
    return this.#subscribeContained(observer as Partial<Observer<T>>);
  }

  #subscribeContained(observer: Partial<Observer<T>>): Subscription {
    const guard = (call: () => void): void => {
      try {
        call();
      } catch (error) {
        link.unsubscribe();
        this.#onThrow(error);
      }
    };
    const link: Subscriber<T> = new Subscriber<T>({
      next: (value: T) => {
        guard(() => observer.next?.(value));
      },
      error: (error: unknown) => {
        if (observer.error === undefined) this.#onThrow(error);
        else guard(() => observer.error?.(error));
      },
      complete: () => {
        guard(() => observer.complete?.());
      },
    });
    this.#source$.subscribe(link);
    return link;
  }
}
