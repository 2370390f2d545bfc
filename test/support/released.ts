import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from './until.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

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
