import { lastValueFrom, NEVER, Observable, of, Subject } from 'rxjs';
import { untilAborted } from '../../src/streams/untilAborted.js';

it('without a signal the source is as it was', () => {
  const source$ = of(1);
  expect(untilAborted(undefined)(source$)).toBe(source$);
});

it('errors with the reason when the signal aborts, and unsubscribes from the source', () => {
  const controller = new AbortController();
  const source$ = new Subject<number>();
  const told: unknown[] = [];
  source$.pipe(untilAborted(controller.signal)).subscribe({
    next: (value) => told.push(value),
    error: (error: unknown) => told.push(error),
  });
  source$.next(1);
  controller.abort('enough');
  source$.next(2);
  expect(told).toEqual([1, 'enough']);
  expect(source$.observed).toBe(false);
});

it('aborted before, it does not subscribe', async () => {
  let subscribed = 0;
  const source$ = new Observable<never>(() => {
    subscribed += 1;
  });
  const signal = AbortSignal.abort('too late');
  await expect(lastValueFrom(source$.pipe(untilAborted(signal)))).rejects.toBe('too late');
  expect(subscribed).toBe(0);
});

it.each([
  ['completes', of(1), false],
  ['is unsubscribed from', NEVER, true],
])('nothing listens to the signal any more once it %s', (_, source$: Observable<number>, leave) => {
  const { signal } = new AbortController();
  const removed = jest.spyOn(signal, 'removeEventListener');
  const subscription = source$.pipe(untilAborted(signal)).subscribe();
  if (leave) subscription.unsubscribe();
  expect(removed).toHaveBeenCalledTimes(1);
});
