import * as E from 'fp-ts/lib/Either.js';
import { EMPTY, firstValueFrom, NEVER, Observable, of, startWith, throwError } from 'rxjs';
import { fromEither, toTaskEither } from '../../src/streams/bridges.js';

const failure = new Error('of the source');

describe('fromEither', () => {
  test('tells a right as the one value', () => {
    const told: unknown[] = [];
    fromEither(E.right(1)).subscribe({ next: (value) => told.push(value), complete: () => told.push('end') });
    expect(told).toEqual([1, 'end']);
  });

  test('tells a left as the error, as it is', async () => {
    await expect(firstValueFrom(fromEither(E.left(failure)))).rejects.toBe(failure);
    await expect(firstValueFrom(fromEither(E.left('no Error')))).rejects.toBe('no Error');
  });
});

describe('toTaskEither', () => {
  test('has the first value on the right, and leaves the source then', async () => {
    const left = jest.fn();
    const source$ = new Observable<number>((subscriber) => {
      subscriber.next(1);
      subscriber.next(2);
      return left;
    });
    expect(await toTaskEither(source$)()).toEqual(E.right(1));
    expect(left).toHaveBeenCalledTimes(1);
  });

  test('has values that are nothing on the right', async () => {
    expect(await toTaskEither(of(undefined))()).toEqual(E.right(undefined));
    expect(await toTaskEither(of(null))()).toEqual(E.right(null));
  });

  test('has an error on the left, and an end without a value', async () => {
    expect(await toTaskEither(throwError(() => failure))()).toStrictEqual(E.left(failure));
    expect(await toTaskEither(EMPTY)()).toMatchObject(E.left({ name: 'EmptyError' }));
  });

  test('passes over an error after the first value', async () => {
    const source$ = throwError(() => failure).pipe(startWith(1));
    expect(await toTaskEither(source$)()).toEqual(E.right(1));
  });

  test('subscribes when it is run, anew each time', async () => {
    let subscribed = 0;
    const source$ = new Observable<number>((subscriber) => {
      subscriber.next((subscribed += 1));
    });
    const task = toTaskEither(source$);
    void toTaskEither(NEVER);
    expect(subscribed).toBe(0);
    expect([await task(), await task()]).toEqual([E.right(1), E.right(2)]);
  });

  test('takes back what fromEither made', async () => {
    for (const either of [E.right(1), E.left(failure)]) {
      expect(await toTaskEither(fromEither(either))()).toStrictEqual(either);
    }
  });
});
