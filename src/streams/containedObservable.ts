import { Observable, type Observer, type OperatorFunction, Subscriber, type Subscription } from 'rxjs';

/**
 * An Observable whose subscribers can hurt nobody but themselves. A subscriber that throws, or that has no `error`
 * handler when an error reaches it, is unsubscribed and `onThrow` is told; RxJS would throw again from a timer and so
 * end the process, or throw at the source. What a teardown throws while the stream tells something is told likewise. It
 * holds through `pipe`, operators included; it ends where another Observable is built around this one.
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
        operators.reduce<Observable<unknown>>((piped$, operator) => operator(piped$), this),
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
        : { next: observerOrNext ?? undefined, error: error ?? undefined, complete: complete ?? undefined };
    return this.#subscribeContained(observer as Partial<Observer<T>>);
  }

  #subscribeContained(observer: Partial<Observer<T>>): Subscription {
    const contain = (call: () => void): boolean => {
      try {
        call();
        return true;
      } catch (error) {
        this.#onThrow(error);
        return false;
      }
    };
    // Before RxJS does it after the end: a teardown may throw.
    const leave = (): void => {
      (observer instanceof Subscriber ? observer : link).unsubscribe();
    };
    const link: Subscriber<T> = new Subscriber<T>({
      next: (value: T) => {
        if (!contain(() => observer.next?.(value))) contain(leave);
      },
      error: (error: unknown) => {
        if (observer.error) contain(() => observer.error?.(error));
        else this.#onThrow(error);
        contain(leave);
      },
      complete: () => {
        contain(() => observer.complete?.());
        contain(leave);
      },
    });
    // A Subscriber is an operator's own link, or of somebody who wants to leave within the first value.
    if (observer instanceof Subscriber) observer.add(link);
    this.#source$.subscribe(link);
    return link;
  }
}
