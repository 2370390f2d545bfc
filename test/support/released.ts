import { setImmediate as turn } from 'node:timers/promises';
import { collectGarbage } from './collectGarbage.js';

/** A WeakRef lets go no sooner than in the turn after it was made, or asked; a collector that runs beside may need another. */
const mostCollections = 20;

/**
 * Whether nobody holds on to what `make` returned, once it has returned. Counted in collections, not in time: on a busy machine one
 * of a large heap takes seconds.
 */
export async function released(make: () => object): Promise<boolean> {
  const made = new WeakRef(make());
  for (let collections = 0; collections < mostCollections; collections += 1) {
    await turn();
    collectGarbage();
    await turn();
    if (made.deref() === undefined) return true;
  }
  return false;
}
