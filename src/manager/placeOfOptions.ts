import type { Instances } from '../instances/instances.js';

/** Where the options of a call stand among its arguments, by verb; what has none is left out. */
export const placeOfOptions = {
  ...{ create: 1, ensure: 1, run: 1, update: 2, start: 2, stop: 1, standby: 1, restore: 1, restart: 1 },
  ...{ delete: 1, fork: 2 },
  ...{ createSnapshot: 2, deleteSnapshot: 1, forkSnapshot: 2, restoreSnapshot: 3 },
} as const satisfies Partial<Record<keyof Instances, number>>;
