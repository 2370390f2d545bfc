import { type Observable, type Observer, Subscriber } from 'rxjs';

/**
 * Subscribes on behalf of `destination`, so that an unsubscribe stops even a source that emits within `subscribe`; as
 * RxJS does inside its own operators. The handlers must not throw.
 */
export function connect<T>(
  source$: Observable<T>,
  destination: Subscriber<never>,
  observer: Observer<T>,
): void {
  // What has ended within an earlier call begins nothing new.
  if (destination.closed) return;
  const link = new Subscriber<T>(observer);
  destination.add(link);
  source$.subscribe(link);
}
