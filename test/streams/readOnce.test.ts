import { EMPTY, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { type ReadResult, readOnce } from '../../src/streams/readOnce.js';

const failure = new Error('of the read');

/** What a look tells, at once. */
const told = <T>(read: () => Observable<T>): readonly ReadResult<T>[] => {
  const looks: ReadResult<T>[] = [];
  readOnce(read, (one) => looks.push(one));
  return looks;
};

describe('a look', () => {
  test('tells the first value, and leaves the read', () => {
    const left = jest.fn();
    const read$ = new Observable<number>((subscriber) => {
      subscriber.next(1);
      subscriber.next(2);
      return left;
    });
    expect(told(() => read$)).toEqual([{ value: 1 }]);
    expect(left).toHaveBeenCalledTimes(1);
  });

  test('has left the read before it tells', () => {
    const read$ = new Subject<number>();
    const observed: boolean[] = [];
    readOnce(
      () => read$,
      () => observed.push(read$.observed),
    );
    expect(read$.observed).toBe(true);
    read$.next(1);
    expect(observed).toEqual([false]);
  });

  test('tells a value that is nothing as a value', () => {
    expect(told(() => of(undefined))).toEqual([{ value: undefined }]);
  });

  test.each<[string, () => Observable<never>, unknown]>([
    ['fails', () => throwError(() => failure), failure],
    [
      'throws',
      () => {
        throw failure;
      },
      failure,
    ],
    [
      'throws on subscribe',
      () =>
        new Observable(() => {
          throw failure;
        }),
      failure,
    ],
    ['ends without a value', () => EMPTY, new Error('the read ended without a value')],
  ])('tells why there is none, when the read %s', (_, read, error) => {
    expect(told(read)).toStrictEqual([{ error }]);
  });

  test('tells once, whatever comes after the value', () => {
    const read$ = new Observable<number>((subscriber) => {
      subscriber.next(1);
      subscriber.error(failure);
    });
    expect(told(() => read$)).toEqual([{ value: 1 }]);
  });

  test('tells nothing while there is nothing, and nothing any more once unsubscribed', () => {
    const read$ = new Subject<number>();
    const looks: ReadResult<number>[] = [];
    const link = readOnce(
      () => read$,
      (one) => looks.push(one),
    );
    expect(told(() => NEVER)).toEqual([]);
    link.unsubscribe();
    read$.next(1);
    expect([looks, read$.observed]).toEqual([[], false]);
  });
});
