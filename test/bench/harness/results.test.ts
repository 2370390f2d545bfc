import type { Goal } from '../../../bench/harness/bench.js';
import { type Measured, outcomeOf } from '../../../bench/harness/results.js';

const measured: readonly Measured[] = [
  { contender: 'ours', row: 1, samples: [10, 40, 12] },
  { contender: 'theirs', row: 1, samples: [10, 20, 4] },
  { contender: 'ours', row: 2, samples: [], notRun: 'it would take long' },
];

const goal: Goal = { what: 'a goal', of: { contender: 'ours', row: 1 }, atMost: 2 };

describe('the outcome of a goal', () => {
  it('is the median of the ratios of each round, not the ratio of the medians', () => {
    const by = { contender: 'theirs', row: 1 };
    expect(outcomeOf({ ...goal, by }, measured)).toStrictEqual({
      what: 'a goal',
      atMost: 2,
      isRatio: true,
      measured: 2,
      spread: [1, 3],
      met: true,
    });
  });

  it('is the median of the differences of each round, not the difference of the medians', () => {
    const beyond = { contender: 'theirs', row: 1 };
    expect(outcomeOf({ ...goal, beyond }, measured)).toStrictEqual({
      what: 'a goal',
      atMost: 2,
      isRatio: false,
      measured: 8,
      spread: [0, 20],
      met: false,
    });
  });

  it('is the median where nobody stands beside it', () => {
    expect(outcomeOf(goal, measured)).toMatchObject({ isRatio: false, measured: 12, met: false });
  });

  it.each([
    ['was not run', { contender: 'ours', row: 2 }],
    ['is not in the table', { contender: 'ours', row: 3 }],
  ])('is missed where a cell %s', (_, cell) => {
    expect(outcomeOf({ ...goal, of: cell }, measured)).toStrictEqual({
      what: 'a goal',
      atMost: 2,
      isRatio: false,
      met: false,
    });
    expect(outcomeOf({ ...goal, by: cell }, measured)).toStrictEqual({
      what: 'a goal',
      atMost: 2,
      isRatio: true,
      met: false,
    });
    expect(outcomeOf({ ...goal, beyond: cell }, measured)).toStrictEqual({
      what: 'a goal',
      atMost: 2,
      isRatio: false,
      met: false,
    });
  });
});
