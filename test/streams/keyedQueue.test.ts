import * as fc from 'fast-check';
import {
  concat,
  defer,
  EMPTY,
  ignoreElements,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import { createKeyedQueue } from '../../src/streams/keyedQueue.js';
import { marbles } from '../support/marbles.js';

describe('a keyed queue', () => {
  test('runs tasks of one key one after another, and passes on what they tell', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const queue = createKeyedQueue();
      const one$ = cold('-a-b|');
      const two$ = cold('--c|');
      expectObservable(queue.run('k', () => one$)).toBe('-a-b|');
      expectObservable(queue.run('k', () => two$)).toBe('------c|');
      expectSubscriptions(one$.subscriptions).toBe('^---!');
      expectSubscriptions(two$.subscriptions).toBe('----^--!');
    });
  });

  test('runs tasks of different keys side by side', () => {
    marbles(({ cold, expectObservable }) => {
      const queue = createKeyedQueue();
      expectObservable(queue.run('k', () => cold('---a|'))).toBe('---a|');
      expectObservable(queue.run('l', () => cold('---b|'))).toBe('---b|');
    });
  });

  test('goes on after a task that fails, whichever way', () => {
    const failure = new Error('of the task');
    const queue = createKeyedQueue();
    const told: unknown[] = [];
    const note = (error: unknown): void => {
      told.push(error);
    };
    const fail = (): never => {
      throw failure;
    };
    queue.run('k', fail).subscribe({ error: note });
    queue.run('k', () => throwError(() => failure)).subscribe({ error: note });
    queue.run('k', () => defer(fail)).subscribe({ error: note });
    queue.run('k', () => of('next')).subscribe(note);
    expect(told).toEqual([failure, failure, failure, 'next']);
  });

  test('begins nothing before the subscribe, and begins anew with each', () => {
    const queue = createKeyedQueue();
    let begun = 0;
    const run$ = queue.run('k', () => of((begun += 1)));
    expect([begun, queue.size]).toEqual([0, 0]);
    run$.subscribe();
    run$.subscribe();
    expect(begun).toBe(2);
  });

  test('takes its turn in the order of subscribes', () => {
    const queue = createKeyedQueue();
    const begun: string[] = [];
    const task = (name: string) => () => {
      begun.push(name);
      return EMPTY;
    };
    const gate$ = new Subject<never>();
    const late$ = queue.run('k', task('late'));
    queue.run('k', () => gate$).subscribe();
    queue.run('k', task('first')).subscribe();
    late$.subscribe();
    expect(begun).toEqual([]);
    gate$.complete();
    expect(begun).toEqual(['first', 'late']);
  });

  test('runs a task that has begun to its end, whoever still listens', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const queue = createKeyedQueue();
      const one$ = cold('-a--b|');
      expectObservable(
        queue.run('k', () => one$),
        '^-!',
      ).toBe('-a-');
      expectObservable(queue.run('k', () => cold('-c|'))).toBe('------c|');
      expectSubscriptions(one$.subscriptions).toBe('^----!');
    });
  });

  test('leaves out a task whose subscriber has gone before its turn', () => {
    const queue = createKeyedQueue();
    const gate$ = new Subject<never>();
    const begun: string[] = [];
    const task = (name: string) => () => {
      begun.push(name);
      return EMPTY;
    };
    queue.run('k', () => gate$).subscribe();
    const waiting = ['a', 'b', 'c'].map((name) => queue.run('k', task(name)).subscribe());
    waiting[0]?.unsubscribe();
    waiting[2]?.unsubscribe();
    gate$.complete();
    expect([begun, queue.size]).toEqual([['b'], 0]);
  });

  test('is free again before the end of a task is told', () => {
    const queue = createKeyedQueue();
    const told: string[] = [];
    const next = (): void => {
      told.push(`free ${String(queue.size)}`);
      queue.run('k', () => of('next')).subscribe((value) => told.push(value));
    };
    for (const end of ['complete', 'error'] as const) {
      const gate$ = new Subject<never>();
      queue.run('k', () => gate$).subscribe({ [end]: next });
      gate$[end](new Error('of the task'));
    }
    expect(told).toEqual(['free 0', 'next', 'free 0', 'next']);
  });

  test('puts a task that a running one asks for behind it', () => {
    const queue = createKeyedQueue();
    const told: string[] = [];
    queue
      .run('k', () => {
        queue.run('k', () => of('inner')).subscribe((value) => told.push(value));
        told.push('asked');
        return of('outer');
      })
      .subscribe((value) => told.push(value));
    expect(told).toEqual(['asked', 'outer', 'inner']);
  });

  test('runs 10000 tasks that end at once without growing the stack', () => {
    const queue = createKeyedQueue();
    const gate$ = new Subject<never>();
    let ended = 0;
    queue.run('k', () => gate$).subscribe();
    for (let count = 0; count < 10_000; count += 1) {
      queue.run('k', () => EMPTY).subscribe({ complete: () => (ended += 1) });
    }
    gate$.complete();
    expect(ended).toBe(10_000);
  });
});

describe('whenIdle', () => {
  test('completes at once when nothing is under way', () => {
    const completed = jest.fn();
    createKeyedQueue().whenIdle().subscribe({ complete: completed });
    expect(completed).toHaveBeenCalledTimes(1);
  });

  test('completes with the last task of all keys, those that wait included', () => {
    marbles(({ cold, expectObservable }) => {
      const queue = createKeyedQueue();
      queue.run('k', () => cold('--|')).subscribe();
      queue.run('k', () => cold('--|')).subscribe();
      queue.run('l', () => cold('---|')).subscribe();
      expectObservable(queue.whenIdle()).toBe('----|');
    });
  });

  test('looks at what is under way when it is subscribed to, each time', () => {
    const queue = createKeyedQueue();
    const idle$ = queue.whenIdle();
    const gate$ = new Subject<never>();
    queue.run('k', () => gate$).subscribe({ error: () => undefined });
    const completed = jest.fn();
    idle$.subscribe({ complete: completed });
    expect(completed).not.toHaveBeenCalled();
    gate$.error(new Error('of the task'));
    expect(completed).toHaveBeenCalledTimes(1);
    idle$.subscribe({ complete: completed });
    expect(completed).toHaveBeenCalledTimes(2);
  });

  test('never completes while a task does not end', () => {
    const queue = createKeyedQueue();
    queue
      .run('k', () => NEVER)
      .subscribe()
      .unsubscribe();
    const completed = jest.fn();
    const subscription = queue.whenIdle().subscribe({ complete: completed });
    expect(completed).not.toHaveBeenCalled();
    subscription.unsubscribe();
  });
});

const task = fc.record({
  key: fc.constantFrom('k', 'l', 'm'),
  at: fc.integer({ min: 0, max: 9 }),
  takes: fc.integer({ min: 0, max: 4 }),
  fails: fc.boolean(),
});

test('tasks of a key never overlap and keep their order, and the queue is idle in the end, whatever the timing', () => {
  fc.assert(
    fc.property(fc.array(task, { maxLength: 40 }), (tasks) => {
      const scheduler = new VirtualTimeScheduler();
      const queue = createKeyedQueue();
      const running = new Set<string>();
      const ended: number[] = [];
      const asked: number[] = [];
      tasks.forEach(({ key, at, takes, fails }, place) => {
        const work$ = defer(() => {
          expect(running).not.toContain(key);
          running.add(key);
          const time$ = takes === 0 ? EMPTY : timer(takes, scheduler).pipe(ignoreElements());
          const end$ = new Observable<never>((subscriber) => {
            running.delete(key);
            ended.push(place);
            if (fails) subscriber.error(new Error('of the task'));
            else subscriber.complete();
          });
          return concat(time$, end$);
        });
        scheduler.schedule(() => {
          asked.push(place);
          queue.run(key, () => work$).subscribe({ error: () => undefined });
        }, at);
      });
      scheduler.flush();
      const ofKey = (key: string, places: readonly number[]) =>
        places.filter((place) => tasks[place]?.key === key);
      for (const key of ['k', 'l', 'm']) expect(ofKey(key, ended)).toEqual(ofKey(key, asked));
      expect([ended.length, queue.size]).toEqual([tasks.length, 0]);
    }),
  );
});
