import { until } from '../support/until.js';

/** How often patience is taken anew: attackers and their victims share the machine with others. */
const times = 5;

/** Looks until `good` holds; throws with the last look when it never does. */
export async function eventually<T>(look: () => T, good: (found: T) => boolean, what: string): Promise<T> {
  for (let time = 0; time < times; time += 1) {
    const found = await until(look, good);
    if (good(found)) return found;
  }
  throw new Error(`${what}: it never came to that, at last ${JSON.stringify(look())}`);
}
