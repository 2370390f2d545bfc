import { asyncScheduler } from 'rxjs';
import { monotonicNow } from '../../src/streams/monotonicNow.js';
import { marbles } from '../support/marbles.js';

const hourMs = 3_600_000;

test('in virtual time it is the virtual time', () => {
  const seen: number[] = [];
  marbles(({ flush }) => {
    const check = (): void => {
      seen.push(monotonicNow());
    };
    check();
    for (const delay of [1, 50, hourMs]) asyncScheduler.schedule(check, delay);
    flush();
  });
  expect(seen).toEqual([0, 1, 50, hourMs]);
});

test('outside of it, it goes on after virtual time as if there had been none', () => {
  const before = monotonicNow();
  marbles(({ flush }) => {
    asyncScheduler.schedule(() => undefined, hourMs);
    flush();
  });
  const after = monotonicNow();
  expect(after).toBeGreaterThanOrEqual(before);
  expect(after - before).toBeLessThan(hourMs);
});

describe('when somebody sets the clock', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test.each([
    ['back', -hourMs],
    ['forward', hourMs],
    ['to the year 2000', Date.UTC(2000, 0) - Date.now()],
  ])('%s, it does not jump', (_, jump) => {
    const before = monotonicNow();
    const wall = Date.now();
    jest.setSystemTime(wall + jump);
    expect([monotonicNow() - before, Date.now() - wall]).toEqual([0, jump]);
    jest.advanceTimersByTime(70);
    expect(monotonicNow() - before).toBe(70);
  });
});
