import * as E from 'fp-ts/lib/Either.js';
import type { Driver, Machine } from 'rx-instances';
import { EMPTY, NEVER, of } from 'rxjs';

const machine: Machine = {
  handle: {},
  signals$: of({ kind: 'ready' }),
  inspect: () => of({ kind: 'running', ready: true }),
  stop: () => of({ code: 0, signal: null }),
  kill: () => of({ code: 0, signal: null }),
};

/** A driver that costs nothing: all its machines are one, so that what is left is the manager's. */
export const idleDriver: Driver = {
  kind: 'idle',
  capabilities: { standbyFrees: 'nothing', logs: [] },
  decode: () => E.right({}),
  prepare: () => EMPTY,
  launch: () => of(machine),
  adopt: () => of(machine),
  discard: () => EMPTY,
  logs: () => NEVER,
};
