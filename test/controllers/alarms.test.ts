import * as fc from 'fast-check';
import { asyncScheduler } from 'rxjs';
import { type Alarms, createAlarms } from '../../src/controllers/alarms.js';
import { marbles } from '../support/marbles.js';

const now = (): number => asyncScheduler.now();

/** When each alarm rang, in virtual time, after the steps at their times. */
function rungAfter(steps: Readonly<Record<number, (alarms: Alarms) => void>>): readonly string[] {
  const rang: string[] = [];
  marbles(({ flush }) => {
    const alarms = createAlarms(now, (key) => rang.push(`${key} at ${String(now())}`));
    for (const [time, step] of Object.entries(steps)) {
      asyncScheduler.schedule(() => {
        step(alarms);
      }, Number(time));
    }
    flush();
  });
  return rang;
}

describe('an alarm', () => {
  it('rings once, when its time has come', () => {
    const set = ({ set: at }: Alarms): void => {
      at('late', 90);
      at('early', 30);
      at('early too', 30);
    };
    expect(rungAfter({ 10: set })).toEqual(['early at 30', 'early too at 30', 'late at 90']);
  });

  it('whose time is past rings at once, in a turn of its own', () => {
    const order: string[] = [];
    const set = ({ set: at }: Alarms): void => {
      at('past', 0);
      order.push('set');
    };
    expect([rungAfter({ 10: set }), order]).toEqual([['past at 10'], ['set']]);
  });

  it('that is set again, later or earlier, rings then', () => {
    const first = ({ set }: Alarms): void => {
      for (const key of ['later', 'earlier', 'never', 'same']) set(key, 50);
    };
    const again = ({ set }: Alarms): void => {
      set('later', 70);
      set('earlier', 30);
      set('never', undefined);
      set('same', 50);
    };
    expect(rungAfter({ 10: first, 20: again })).toEqual(['earlier at 30', 'same at 50', 'later at 70']);
  });

  it('can be set anew while it rings, without keeping others from ringing', () => {
    const rang: string[] = [];
    marbles(({ flush }) => {
      const alarms: Alarms = createAlarms(now, (key) => {
        rang.push(`${key} at ${String(now())}`);
        if (key === 'again' && rang.length < 4) alarms.set('again', now());
      });
      alarms.set('again', 10);
      alarms.set('other', 10);
      flush();
    });
    expect(rang).toEqual(['again at 10', 'other at 10', 'again at 10', 'again at 10']);
  });

  it('does not ring once all are taken away, and leaves no timer', () => {
    const clear = (alarms: Alarms): void => {
      alarms.clear();
    };
    expect(
      rungAfter({
        10: ({ set }) => {
          set('a', 40);
        },
        20: clear,
      }),
    ).toEqual([]);
  });

  it('rings within a minute of a clock that was set forward', () => {
    jest.useFakeTimers();
    const rang: string[] = [];
    const alarms = createAlarms(
      () => Date.now(),
      (key) => rang.push(key),
    );
    alarms.set('in a day', Date.now() + 86_400_000);
    jest.setSystemTime(Date.now() + 2 * 86_400_000);
    jest.advanceTimersByTime(60_000);
    expect(rang).toEqual(['in a day']);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });
});

const step = fc.record({
  after: fc.nat(20),
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  at: fc.option(fc.nat(300), { nil: undefined }),
});

test('however they are set, each rings when its last time comes, and in the order of the times', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const rang: { key: string; at: number }[] = [];
      const expected: { key: string; at: number }[] = [];
      marbles(({ flush }) => {
        const alarms = createAlarms(now, (key) => rang.push({ key, at: now() }));
        const set = new Map<string, number>();
        const ringing = (until: number): void => {
          const due = [...set].filter(([, at]) => at < until);
          for (const [key, at] of due.sort(([, one], [, other]) => one - other)) {
            expected.push({ key, at });
            set.delete(key);
          }
        };
        let time = 1;
        for (const { after, key, at } of steps) {
          time += after + 1;
          const [when, alarm] = [time, at === undefined ? undefined : time + at];
          asyncScheduler.schedule(() => {
            // What is due at this very moment has not rung yet: the steps were scheduled before.
            ringing(when);
            alarms.set(key, alarm);
            if (alarm === undefined) set.delete(key);
            else set.set(key, alarm);
          }, when);
        }
        flush();
        ringing(Infinity);
      });
      const inOrder = (all: { key: string; at: number }[]): unknown =>
        all.map(({ key, at }) => `${String(at).padStart(6)} ${key}`).sort();
      expect(inOrder(rang)).toEqual(inOrder(expected));
      expect(rang.map(({ at }) => at)).toEqual(rang.map(({ at }) => at).sort((one, other) => one - other));
    }),
  );
});
