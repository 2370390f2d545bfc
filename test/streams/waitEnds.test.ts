import { asyncScheduler, Subscriber, Subscription } from 'rxjs';
import { InstanceNotFound, ManagerClosed } from '../../src/lifecycle/errors.js';
import { type WaitOutcome, Waits } from '../../src/streams/waits.js';
import { aDelete } from '../support/lifecycleEvents.js';
import { marbles } from '../support/marbles.js';
import { type WaitingRoom, waitingRoom } from '../support/waitingRoom.js';

describe('who keeps the books', () => {
  const endsIn = (play: (one: WaitingRoom) => void): readonly unknown[] => {
    const one = waitingRoom();
    marbles(({ flush }) => {
      play(one);
      flush();
    });
    return one.ends.map(({ outcome, via, seconds }) => [outcome, via, seconds]);
  };
  const later = (deed: () => void, time = 1_500): void => {
    asyncScheduler.schedule(deed, time);
  };

  test.each<[string, (one: WaitingRoom) => void, readonly unknown[]]>([
    [
      'reached, by the read',
      ({ set, wait }) => {
        set('a', 'Running');
        wait('a', 'Running');
      },
      ['reached', 'read', 0],
    ],
    [
      'reached, by an event',
      ({ tell, wait }) => {
        wait('a', 'Running');
        later(() => {
          tell('a', 'Running');
        });
      },
      ['reached', 'event', 1.5],
    ],
    [
      'reached, by a poll',
      ({ set, wait }) => {
        wait('a', 'Running');
        later(() => {
          set('a', 'Running');
        });
      },
      ['reached', 'poll', 5],
    ],
    [
      'reached, by the last look',
      ({ set, wait }) => {
        wait('a', 'Running', { timeoutMs: 4_000 });
        later(() => {
          set('a', 'Running');
        });
      },
      ['reached', 'deadline', 4],
    ],
    [
      'out of reach',
      ({ tell, wait }) => {
        wait('a', 'Running');
        later(() => {
          tell('a', 'Stopped');
        });
      },
      ['unreachable', 'event', 1.5],
    ],
    [
      'out of reach, whatever is waited for',
      ({ tell, wait }) => {
        wait('a', 'Stopped');
        later(() => {
          tell('a', 'Unknown');
        });
      },
      ['unreachable', 'event', 1.5],
    ],
    [
      'not in time',
      ({ wait }) => {
        wait('a', 'Running', { timeoutMs: 4_000 });
      },
      ['timed_out', 'deadline', 4],
    ],
    [
      'a delete',
      ({ listeners, wait }) => {
        wait('a', 'Running');
        later(() => {
          listeners.emit(aDelete(9), 'a');
        });
      },
      ['failed', 'none', 1.5],
    ],
    [
      'the end of the events',
      ({ listeners, wait }) => {
        wait('a', 'Running');
        later(() => {
          listeners.complete();
        });
      },
      ['failed', 'none', 1.5],
    ],
    [
      'a signal',
      ({ wait }) => {
        const abort = new AbortController();
        wait('a', 'Running', { signal: abort.signal });
        later(() => {
          abort.abort();
        });
      },
      ['failed', 'none', 1.5],
    ],
    [
      'a signal that came before',
      ({ wait }) => {
        wait('a', 'Running', { signal: AbortSignal.abort() });
      },
      ['failed', 'none', 0],
    ],
    [
      'what cannot be understood',
      ({ wait }) => {
        wait('a', 'Unknown');
      },
      ['failed', 'none', 0],
    ],
    [
      'a look that says it is gone',
      ({ waits, wait }) => {
        jest.spyOn(waits.port, 'known').mockImplementation((id, tell) => {
          tell({ error: new InstanceNotFound({ idOrName: id }) });
          return undefined;
        });
        wait('a', 'Running');
      },
      ['failed', 'none', 0],
    ],
  ])('is told once of %s', (_, play, expected) => {
    expect(endsIn(play)).toEqual([expected]);
  });

  test('is told nothing of a wait that is left', () => {
    expect(
      endsIn(({ wait, tell }) => {
        const left = wait('a', 'Running');
        later(() => {
          left.unsubscribe();
          tell('a', 'Running');
        });
      }),
    ).toEqual([]);
  });

  test('need not be there', () => {
    const { waits } = waitingRoom();
    const alone = new Waits(waits.port);
    const failed = jest.fn();
    const observer = { next: failed, complete: failed, error: failed };
    alone.begin(observer, new Subscription(), 'a', 'Unknown', {});
    expect(failed.mock.calls).toMatchObject([[{ _tag: 'InvalidRequest' }]]);
  });
});

describe('who waits', () => {
  test('and has left before it began asks nobody anything', () => {
    const { wait, wait$, waits, listening, underWay, reads, ends } = waitingRoom();
    const { signal } = new AbortController();
    const listen = jest.spyOn(signal, 'addEventListener');
    const subscriber = new Subscriber<WaitOutcome>();
    subscriber.unsubscribe();
    wait$('a', 'Running', { signal }).subscribe(subscriber);
    wait$('a', 'Unknown').subscribe(subscriber);
    expect([listening(), underWay(), reads(), ends, listen.mock.calls]).toEqual([0, 0, 0, [], []]);
    expect(wait('a', 'Running').closed).toBe(false);
    waits.fail(new ManagerClosed());
  });

  test.each(['event', 'read', 'poll', 'deadline', 'error'] as const)(
    'and throws at the end, by %s, hurts no other wait',
    (way) => {
      marbles(({ flush }) => {
        const { wait$, threw, tell, set, listeners, listening, underWay } = waitingRoom();
        const heard: string[] = [];
        const failure = new Error('of the teardown');
        const options = { timeoutMs: 10, pollMs: way === 'poll' ? 5 : 20 };
        const begin = (name: string): void => {
          const thrower = name === 'thrower';
          const subscriber = new Subscriber<WaitOutcome>({
            next: ({ via }: WaitOutcome) => {
              heard.push(`${name} via ${via}`);
              if (thrower) throw failure;
            },
            error: () => {
              heard.push(`${name} via error`);
              if (thrower) throw failure;
            },
            complete: () => undefined,
          });
          wait$('a', 'Running', options).subscribe(subscriber);
        };
        if (way === 'read') set('a', 'Running');
        for (const name of ['first', 'thrower', 'last']) begin(name);
        asyncScheduler.schedule(() => {
          if (way === 'event') tell('a', 'Running');
          if (way === 'poll') set('a', 'Running');
          if (way === 'error') listeners.complete();
        }, 1);
        flush();
        expect(heard).toEqual(['first', 'thrower', 'last'].map((name) => `${name} via ${way}`));
        expect([threw, listening(), underWay()]).toEqual([[failure], 0, 0]);
      });
    },
  );

  test('and has a teardown that throws hurts no other wait', () => {
    const { wait$, threw, tell, wait, listening } = waitingRoom();
    const heard: string[] = [];
    const failure = new Error('of the teardown');
    const tearDown = (): void => {
      throw failure;
    };
    const subscriber = new Subscriber<WaitOutcome>({
      next: ({ state }: WaitOutcome) => heard.push(state),
      error: () => undefined,
      complete: () => heard.push('end'),
    });
    subscriber.add(tearDown);
    wait$('a', 'Running').subscribe(subscriber);
    wait('a', 'Running', {}, (how) => heard.push(how));
    tell('a', 'Running');
    expect([heard, listening()]).toEqual([['Running', 'end', 'Running via event'], 0]);
    expect(threw).toMatchObject([{ errors: [failure] }]);
  });
});
