/** The middle of some figures, which have to be there; of an even number the mean of the two. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
}

/** Between which two of some figures, which have to be there, lies the half of them that is nearest to their middle. */
export function middleHalf(figures: readonly number[]): readonly [number, number] {
  const sorted = [...figures].sort((one, other) => one - other);
  const left = Math.floor((sorted.length - 1) / 4);
  return [sorted[left] ?? NaN, sorted[sorted.length - 1 - left] ?? NaN];
}
