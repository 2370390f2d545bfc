import type { Bench } from './harness/bench.js';
import { consume } from './tables/consume.js';
import { consumeMemory } from './tables/consumeMemory.js';
import { iterate } from './tables/iterate.js';
import { publish } from './tables/publish.js';
import { stalled } from './tables/stalled.js';
import { waiters } from './tables/waiters.js';

/** Every bench, in the order of the page. */
export const benches: readonly Bench[] = [publish, waiters, stalled, consume, consumeMemory, iterate];

/** Finds a bench by its name. */
export function benchOf(name: string): Bench {
  const bench = benches.find((known) => known.name === name);
  if (bench !== undefined) return bench;
  const names = benches.map((known) => known.name);
  throw new Error(`no bench is called ${name}; there are ${names.join(', ')}`);
}
