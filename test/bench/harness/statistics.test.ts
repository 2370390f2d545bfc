import { median } from '../../../bench/harness/statistics.js';

describe('the median', () => {
  it('is the one in the middle, in the order of their size', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it('is the mean of the two in the middle of an even number', () => {
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it('of nothing is no number', () => {
    expect(median([])).toBeNaN();
  });
});
