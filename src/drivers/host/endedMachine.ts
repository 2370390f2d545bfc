import { of } from 'rxjs';
import type { ExitStatus, MachineHandle } from '../../lifecycle/instance.js';
import type { Machine } from '../driver.js';

/** A machine that ended when nobody held it. */
export const createEndedMachine = (handle: MachineHandle, exit: ExitStatus): Machine => ({
  handle,
  signals$: of({ kind: 'exit', exit }),
  inspect: () => of({ kind: 'ended', exit }),
  stop: () => of(exit),
  kill: () => of(exit),
});
