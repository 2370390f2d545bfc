/** Bytes of the heap that are reachable now. Needs `--expose-gc`, which every contender's process has. */
export async function heap(): Promise<number> {
  // Twice, with a turn between: what finalizers and weak references let go of takes a second look.
  for (let looks = 0; looks < 2; looks += 1) {
    globalThis.gc?.();
    await new Promise((turn) => setImmediate(turn));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
