import type { Bench } from './harness/bench.js';
import { publish } from './tables/publish.js';

/** Every bench, in the order of the page. */
export const benches: readonly Bench[] = [publish];

/** Finds a bench by its name. */
export function benchOf(name: string): Bench {
  const bench = benches.find((known) => known.name === name);
  if (bench !== undefined) return bench;
  const names = benches.map((known) => known.name);
  throw new Error(`no bench is called ${name}; there are ${names.join(', ')}`);
}
