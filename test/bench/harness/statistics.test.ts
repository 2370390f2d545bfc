import { median, middleHalf } from '../../../bench/harness/statistics.js';

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

describe('the middle half', () => {
  it('leaves out a quarter at each end, or less', () => {
    expect(middleHalf([9, 1, 2, 50, 3, 4, 5, 100, 8])).toStrictEqual([3, 9]);
    expect(middleHalf([4, 1, 3, 2])).toStrictEqual([1, 4]);
  });

  it('of one figure is that', () => {
    expect(middleHalf([7])).toStrictEqual([7, 7]);
  });
});
