import { collectGarbage } from './collectGarbage.js';
import { until } from './until.js';

/** Whether nobody holds on to what `make` returned, once it has returned. */
export async function released(make: () => object): Promise<boolean> {
  const made = new WeakRef(make());
  return until(
    () => {
      collectGarbage();
      return made.deref() === undefined;
    },
    (isGone) => isGone,
  );
}
