import { amount, rowName, times } from '../../../bench/harness/written.js';

describe('a figure', () => {
  it.each([
    [7_712, 'ns', '7.71 µs'],
    [0.25, 'ns', '0.25 ns'],
    [5_012_000_000, 'ns', '5.01 s'],
    [1_350, 'bytes', '1.35 kB'],
    [-18_400, 'bytes', '-18.4 kB'],
    [16e9, 'bytes', '16,000 MB'],
    [511, 'reads', '511 reads'],
    [0, 'ms of CPU per second', '0 ms/s'],
  ] as const)('of %p %s is written as %s', (figure, unit, text) => {
    expect(amount(figure, unit)).toBe(text);
  });

  it('that is a ratio is written as how many times', () => {
    expect([times(0.0001), times(1.234), times(13_300)]).toStrictEqual(['0.0001×', '1.23×', '13,300×']);
  });

  it('that names a row is written with its thousands apart, and a name as it is', () => {
    expect([rowName(1_000_000), rowName('one by one')]).toStrictEqual(['1,000,000', 'one by one']);
  });
});
