import {
  asyncScheduler,
  defer,
  EMPTY,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  Subscription,
  take,
  timer,
} from 'rxjs';
import { Delays } from '../../src/streams/delays.js';
import type { Listener } from '../../src/streams/listeners.js';
import type { ReadResult } from '../../src/streams/readOnce.js';
import { SharedPoll } from '../../src/streams/sharedPoll.js';
import { collectGarbage } from '../support/collectGarbage.js';
import { type Marbles, marbles } from '../support/marbles.js';

/** A shared poll, joined by subscribing. */
const createPoll = <T>(read: (key: string) => Observable<T>) => {
  const shared = new SharedPoll(read, new Delays());
  return {
    poll: (key: string, intervalMs: number) =>
      new Observable<ReadResult<T>>((subscriber) => {
        const listener: Listener<ReadResult<T>> = {
          next: (look) => {
            subscriber.next(look);
          },
          complete: fail,
        };
        const polled = shared.join(key, intervalMs, listener);
        return () => {
          polled.leave(listener);
        };
      }),
  };
};

const fail = (): never => {
  throw new Error('a poll never ends');
};

/** A poll whose reads are noted as `key at time`, and answer that too, `takes` ms later. */
const stage = (takes = 0) => {
  const reads: string[] = [];
  const shared = createPoll((key) =>
    defer(() => {
      const text = `${key} at ${String(asyncScheduler.now())}`;
      reads.push(text);
      return takes === 0 ? of(text) : timer(takes).pipe(map(() => text));
    }),
  );
  return { reads, shared };
};

const textOf = <T>(look: ReadResult<T>): unknown => ('value' in look ? look.value : look.error);

/** Polls from one time to another, and notes what comes, and when. */
const pollBetween = (
  { cold }: Marbles,
  poll$: Observable<ReadResult<string>>,
  from: number,
  to: number,
): readonly string[] => {
  const heard: string[] = [];
  const subscription = new Subscription();
  const begin = (): void => {
    subscription.add(
      poll$.subscribe((look) =>
        heard.push(`${String(textOf(look))}, heard at ${String(asyncScheduler.now())}`),
      ),
    );
  };
  cold(`${String(from)}ms x`).subscribe(begin);
  cold(`${String(to)}ms x`).subscribe(() => {
    subscription.unsubscribe();
  });
  return heard;
};

describe('a shared poll', () => {
  test('reads first after one interval, and then once in each, until it is left', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      const heard = pollBetween(helpers, shared.poll('a', 10), 0, 35);
      helpers.flush();
      expect(heard).toEqual(['a at 10, heard at 10', 'a at 20, heard at 20', 'a at 30, heard at 30']);
      expect(reads).toHaveLength(3);
    });
  });

  test('is cold', () => {
    const { reads, shared } = stage();
    marbles(({ flush }) => {
      void shared.poll('a', 10);
      flush();
      expect(reads).toEqual([]);
    });
  });

  test('reads each thing once per interval, for however many who want to know', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      const heard = [0, 0, 3, 7].map((from) => pollBetween(helpers, shared.poll('a', 10), from, 15));
      const other = pollBetween(helpers, shared.poll('b', 10), 0, 15);
      helpers.flush();
      expect(reads).toEqual(['a at 10', 'b at 10']);
      for (const one of heard) expect(one).toEqual(['a at 10, heard at 10']);
      expect(other).toEqual(['b at 10, heard at 10']);
    });
  });

  test('has a timer of its own for each interval', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('a', 10), 0, 25);
      pollBetween(helpers, shared.poll('a', 7), 0, 25);
      helpers.flush();
      expect(reads).toEqual(['a at 7', 'a at 10', 'a at 14', 'a at 20', 'a at 21']);
    });
  });

  test('begins its first read one interval after the first who came for this thing, so that reads are spread', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('a', 10), 0, 25);
      const later = pollBetween(helpers, shared.poll('b', 10), 8, 25);
      const last = pollBetween(helpers, shared.poll('b', 10), 12, 25);
      helpers.flush();
      expect(later).toEqual(['b at 18, heard at 18']);
      expect(last).toEqual(later);
      expect(reads).toEqual(['a at 10', 'b at 18', 'a at 20']);
    });
  });

  test('stops the timer with the last who leaves, and begins anew with the next', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('a', 10), 0, 12);
      pollBetween(helpers, shared.poll('b', 10), 0, 15);
      const again = pollBetween(helpers, shared.poll('a', 10), 17, 29);
      helpers.flush();
      expect(again).toEqual(['a at 27, heard at 27']);
      expect(reads).toEqual(['a at 10', 'b at 10', 'a at 27']);
    });
  });

  test('begins a read one interval after the end of the one before, however slow that was', () => {
    const { reads, shared } = stage(25);
    marbles((helpers) => {
      const heard = pollBetween(helpers, shared.poll('a', 10), 0, 80);
      helpers.flush();
      expect(reads).toEqual(['a at 10', 'a at 45']);
      expect(heard).toEqual(['a at 10, heard at 35', 'a at 45, heard at 70']);
    });
  });

  test('is not held up for one thing by the slow read of another', () => {
    const reads: string[] = [];
    const shared = createPoll<string>((key) =>
      defer(() => {
        reads.push(key);
        return key === 'slow' ? NEVER : of(key);
      }),
    );
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('slow', 10), 0, 35);
      pollBetween(helpers, shared.poll('a', 10), 0, 35);
      helpers.flush();
      expect(reads).toEqual(['slow', 'a', 'a', 'a']);
    });
  });

  test('passes over a read that was under way at the subscribe', () => {
    const { shared } = stage(5);
    marbles((helpers) => {
      const early = pollBetween(helpers, shared.poll('a', 10), 0, 35);
      const late = pollBetween(helpers, shared.poll('a', 10), 12, 35);
      const gone = pollBetween(helpers, shared.poll('a', 10), 12, 14);
      helpers.flush();
      expect(early).toEqual(['a at 10, heard at 15', 'a at 25, heard at 30']);
      expect(late).toEqual(['a at 25, heard at 30']);
      expect(gone).toEqual([]);
    });
  });

  test.each([0, 5])(
    'tells who begins to poll on hearing a read of the next one, when it takes %i ms',
    (takes) => {
      const { shared } = stage(takes);
      marbles(({ flush }) => {
        const heard: string[] = [];
        const pollAgain = (): void => {
          if (heard.length > 0) return;
          heard.push('again');
          subscription.add(
            shared
              .poll('a', 10)
              .pipe(take(1))
              .subscribe((look) => {
                heard.push(String(textOf(look)));
                subscription.unsubscribe();
              }),
          );
        };
        const subscription = shared.poll('a', 10).subscribe(pollAgain);
        flush();
        expect(heard).toEqual(['again', `a at ${String(20 + takes)}`]);
      });
    },
  );

  test('goes on for who came while it was read, when all others have left', () => {
    const { reads, shared } = stage(5);
    marbles((helpers) => {
      const first = pollBetween(helpers, shared.poll('a', 10), 0, 13);
      const late = pollBetween(helpers, shared.poll('a', 10), 12, 40);
      helpers.flush();
      expect([first, late]).toEqual([[], ['a at 25, heard at 30']]);
      expect(reads).toEqual(['a at 10', 'a at 25']);
    });
  });

  test('tells the next read to who comes between two', () => {
    const { shared } = stage();
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('a', 10), 0, 35);
      const second = pollBetween(helpers, shared.poll('a', 10), 15, 35);
      helpers.flush();
      expect(second).toEqual(['a at 20, heard at 20', 'a at 30, heard at 30']);
    });
  });

  // Where others are polled too, what nobody polls is kept for a while.
  test('tells the next read to who comes when all have left one that was under way', () => {
    const { shared } = stage(5);
    marbles((helpers) => {
      pollBetween(helpers, shared.poll('b', 10), 0, 50);
      pollBetween(helpers, shared.poll('a', 10), 0, 12);
      const next = pollBetween(helpers, shared.poll('a', 10), 13, 30);
      helpers.flush();
      expect(next).toEqual(['a at 23, heard at 28']);
    });
  });

  test('reads once in each interval for who leaves and comes back on hearing a read, and no more when he has left', () => {
    const reads: string[] = [];
    const shared = createPoll((key) =>
      defer(() => {
        reads.push(`${key} at ${String(asyncScheduler.now())}`);
        return key === 'a' ? of(key) : NEVER;
      }),
    );
    marbles(({ cold, flush }) => {
      const others = shared.poll('b', 10).subscribe();
      let polling = new Subscription();
      const poll = (): void => {
        polling = shared.poll('a', 10).subscribe(() => {
          polling.unsubscribe();
          poll();
        });
      };
      poll();
      cold('25ms x').subscribe(() => {
        polling.unsubscribe();
        others.unsubscribe();
      });
      flush();
      expect(reads).toEqual(['b at 10', 'a at 10', 'a at 20']);
    });
  });

  test('goes on for the others when one leaves on hearing a read', () => {
    const { shared } = stage();
    marbles((helpers) => {
      const first: string[] = [];
      shared
        .poll('a', 10)
        .pipe(take(1))
        .subscribe((look) => first.push(String(textOf(look))));
      const second = pollBetween(helpers, shared.poll('a', 10), 0, 25);
      helpers.flush();
      expect([first, second]).toEqual([['a at 10'], ['a at 10, heard at 10', 'a at 20, heard at 20']]);
    });
  });

  test('reads nothing for those who have left in the same turn', () => {
    const { reads, shared } = stage();
    marbles(({ flush }) => {
      const second = new Subscription();
      const first = shared.poll('a', 10).subscribe(() => {
        first.unsubscribe();
        second.unsubscribe();
      });
      second.add(shared.poll('b', 10).subscribe());
      flush();
      expect(reads).toEqual(['a at 10']);
    });
  });

  test('reads one interval later for who left and came back in one turn', () => {
    const { reads, shared } = stage();
    marbles(({ flush }) => {
      const heard: string[] = [];
      const leaveAndComeBack = (): void => {
        if (heard.length > 0) return;
        heard.push('left and back');
        second.unsubscribe();
        shared
          .poll('b', 10)
          .pipe(take(1))
          .subscribe((look) => {
            heard.push(String(textOf(look)));
            first.unsubscribe();
          });
      };
      const first = shared.poll('a', 10).subscribe(leaveAndComeBack);
      const second = shared.poll('b', 10).subscribe();
      flush();
      expect(heard).toEqual(['left and back', 'b at 20']);
      expect(reads).toEqual(['a at 10', 'b at 20']);
    });
  });

  test('stops a read that is under way with the last who leaves, and with no other', () => {
    marbles((helpers) => {
      const read$ = helpers.cold('----x');
      const shared = createPoll(() => read$);
      pollBetween(helpers, shared.poll('a', 10), 0, 11);
      pollBetween(helpers, shared.poll('a', 10), 0, 12);
      helpers.expectSubscriptions(read$.subscriptions).toBe('10ms ^-!');
    });
  });

  test('leaves a read after its first value', () => {
    marbles((helpers) => {
      const read$ = helpers.cold('-x-y');
      const shared = createPoll(() => read$);
      const heard = pollBetween(helpers, shared.poll('a', 10), 0, 15);
      helpers.expectSubscriptions(read$.subscriptions).toBe('10ms ^!');
      helpers.flush();
      expect(heard).toEqual(['x, heard at 11']);
    });
  });

  test('tells failures as looks, and goes on', () => {
    const answers: readonly (() => Observable<string>)[] = [
      () => {
        throw new Error('thrown');
      },
      () => EMPTY,
      () =>
        defer(() => {
          throw new Error('later');
        }),
      () => of('well'),
    ];
    let read = 0;
    const shared = createPoll(() => answers[read++]?.() ?? NEVER);
    marbles((helpers) => {
      const heard = pollBetween(helpers, shared.poll('a', 10), 0, 45);
      helpers.flush();
      expect(heard).toEqual([
        'Error: thrown, heard at 10',
        'Error: the read ended without a value, heard at 20',
        'Error: later, heard at 30',
        'well, heard at 40',
      ]);
    });
  });

  test('keeps values that are nothing apart from failures', () => {
    const shared = createPoll(() => of(undefined));
    marbles(({ flush }) => {
      const heard: ReadResult<undefined>[] = [];
      shared
        .poll('a', 10)
        .pipe(take(1))
        .subscribe((look) => heard.push(look));
      flush();
      expect(heard).toEqual([{ value: undefined }]);
    });
  });

  test('shares nothing with another', () => {
    const first = stage();
    const second = stage();
    marbles((helpers) => {
      pollBetween(helpers, first.shared.poll('a', 10), 0, 15);
      pollBetween(helpers, second.shared.poll('a', 10), 0, 15);
      helpers.flush();
      expect([first.reads, second.reads]).toEqual([['a at 10'], ['a at 10']]);
    });
  });

  test('reads within one tick in the order in which the things were first asked for', () => {
    const { reads, shared } = stage();
    marbles((helpers) => {
      for (const key of ['c', 'a', 'b', 'a']) pollBetween(helpers, shared.poll(key, 10), 0, 15);
      helpers.flush();
      expect(reads).toEqual(['c at 10', 'a at 10', 'b at 10']);
    });
  });

  test('tells looks in the order of subscribes', () => {
    const read$ = new Subject<string>();
    const shared = createPoll(() => read$);
    marbles(({ cold, flush }) => {
      const heard: string[] = [];
      const subscriptions = ['first', 'second', 'third'].map((who) =>
        shared.poll('a', 10).subscribe(() => heard.push(who)),
      );
      cold('12ms x').subscribe(() => {
        read$.next('read');
        for (const subscription of subscriptions) subscription.unsubscribe();
      });
      flush();
      expect(heard).toEqual(['first', 'second', 'third']);
    });
  });

  test('forgets an interval at which nothing is polled any more', () => {
    const shared = new SharedPoll(() => NEVER, new Delays());
    const listener: Listener<ReadResult<never>> = { next: fail, complete: fail };
    const heapAfter = (count: number): number => {
      for (let interval = 1; interval <= count; interval += 1) {
        shared.join('a', 1_000 + interval, listener).leave(listener);
      }
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = heapAfter(1_000);
    // An interval takes some 300 bytes.
    expect(heapAfter(50_000) - before).toBeLessThan(2_000_000);
  });
});
