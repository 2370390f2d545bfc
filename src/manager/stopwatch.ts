/** Starts a stopwatch; what is returned tells the seconds since. */
export function stopwatch(): () => number {
  const startedAt = performance.now();
  return () => (performance.now() - startedAt) / 1_000;
}
