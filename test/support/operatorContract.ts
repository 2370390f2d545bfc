import { EMPTY, NEVER, Observable, type OperatorFunction, take, throwError } from 'rxjs';
import { marbles } from './marbles.js';

/** An operator under contract, and values for which it emits at least one result each, in virtual time. */
export interface OperatorCase<T, R> {
  readonly operator: () => OperatorFunction<T, R>;
  readonly values: readonly [T, T, T];
}

/** What every operator owes, whatever it does: the standing list of RxJS's own tests. */
export function operatorContract<T, R>({ operator, values: [a, b, c] }: OperatorCase<T, R>): void {
  const values = { a, b, c };
  const ofAny = () => operator() as OperatorFunction<unknown, R>;

  test('subscribes to nothing before it is subscribed to', () => {
    const subscribed = jest.fn();
    void new Observable<T>(subscribed).pipe(operator());
    expect(subscribed).not.toHaveBeenCalled();
  });

  test('subscribes once for each subscriber, and keeps them apart', () => {
    marbles(({ cold, expectSubscriptions, flush }) => {
      const source$ = cold<T>('-a-|', values);
      const result$ = source$.pipe(operator());
      const heard: [string, R][] = [];
      result$.subscribe((result) => heard.push(['first', result]));
      result$.subscribe((result) => heard.push(['second', result]));
      expectSubscriptions(source$.subscriptions).toBe(['^--!', '^--!']);
      flush();
      const heardBy = (who: string): readonly R[] =>
        heard.filter(([name]) => name === who).map(([, result]) => result);
      expect(heardBy('first').length).toBeGreaterThan(0);
      expect(heardBy('second')).toEqual(heardBy('first'));
    });
  });

  test('can be applied to several sources, and keeps them apart', () => {
    marbles(({ cold, flush }) => {
      const applied = operator();
      const alone: R[] = [];
      const besideAnother: R[] = [];
      cold<T>('a|', values)
        .pipe(operator())
        .subscribe((result) => alone.push(result));
      cold<T>('a|', values)
        .pipe(applied)
        .subscribe((result) => besideAnother.push(result));
      cold<T>('a|', values).pipe(applied).subscribe();
      flush();
      expect(alone.length).toBeGreaterThan(0);
      expect(besideAnother).toEqual(alone);
    });
  });

  test('completes with an empty source', () => {
    marbles(({ flush }) => {
      const completed = jest.fn();
      EMPTY.pipe(ofAny()).subscribe({ complete: completed });
      flush();
      expect(completed).toHaveBeenCalledTimes(1);
    });
  });

  test('goes on for as long as a source that does', () => {
    marbles(({ flush }) => {
      const ended = jest.fn();
      const subscription = (NEVER as Observable<T>)
        .pipe(operator())
        .subscribe({ error: ended, complete: ended });
      flush();
      expect(ended).not.toHaveBeenCalled();
      subscription.unsubscribe();
    });
  });

  test('passes on the error of its source, at once', () => {
    marbles(({ cold, expectSubscriptions, flush }) => {
      const failure = new Error('of the source');
      const source$ = cold<T>('-#', values, failure);
      const heard: unknown[] = [];
      source$.pipe(operator()).subscribe({ error: (error: unknown) => heard.push(error) });
      expectSubscriptions(source$.subscriptions).toBe('^!');
      flush();
      expect(heard).toEqual([failure]);
    });
  });

  test('passes on the error of a source that fails within subscribe', () => {
    marbles(({ flush }) => {
      const failure = new Error('at once');
      const heard: unknown[] = [];
      throwError(() => failure)
        .pipe(ofAny())
        .subscribe({ error: (error: unknown) => heard.push(error) });
      flush();
      expect(heard).toEqual([failure]);
    });
  });

  test('leaves its source when it is left', () => {
    marbles(({ hot, cold, expectSubscriptions }) => {
      const source$ = hot<T>('-a--b--c--|', values);
      const subscription = source$.pipe(operator()).subscribe();
      cold('---x').subscribe(() => {
        subscription.unsubscribe();
      });
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    });
  });

  test('leaves a source that emits within subscribe as soon as enough has been taken', () => {
    marbles(({ flush }) => {
      let left = false;
      const source$ = new Observable<T>((subscriber) => {
        for (const value of [a, b, c]) subscriber.next(value);
        return () => {
          left = true;
        };
      });
      source$.pipe(operator(), take(1)).subscribe();
      flush();
      expect(left).toBe(true);
    });
  });

  test('tells nothing after the end', () => {
    marbles(({ flush }) => {
      const heard: string[] = [];
      // A source that breaks the rules, as one made by hand may.
      const source$ = new Observable<T>((subscriber) => {
        subscriber.next(a);
        subscriber.complete();
        subscriber.next(b);
      });
      source$.pipe(operator()).subscribe({
        next: () => heard.push('next'),
        complete: () => heard.push('end'),
      });
      flush();
      expect(heard.indexOf('end')).toBe(heard.length - 1);
    });
  });
}
