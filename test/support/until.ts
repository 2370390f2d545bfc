import { setImmediate as turn } from 'node:timers/promises';

/** What has to happen happens within this time, or never. */
const patienceMs = 10_000;

/** Looks again and again, a turn of the event loop between, until `good` holds; returns the last look. */
export async function until<T>(look: () => T, good: (found: T) => boolean): Promise<T> {
  const deadline = performance.now() + patienceMs;
  let found = look();
  while (!good(found) && performance.now() < deadline) {
    await turn();
    found = look();
  }
  return found;
}
