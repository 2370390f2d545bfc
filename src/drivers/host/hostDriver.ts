import { defer, throwError } from 'rxjs';
import { LogNotFound } from '../../lifecycle/errors.js';
import type { InstanceSpec, MachineHandle } from '../../lifecycle/instance.js';
import type { AdoptPlan, Driver, LaunchPlan, Machine, PreparePlan } from '../driver.js';
import { completeAfter } from './completeAfter.js';
import { createEndedMachine } from './endedMachine.js';
import { createLogFiles } from './logFiles.js';
import { readLog } from './logReader.js';
import type { ProcessHandle } from './processHandle.js';
import type { Run, Runs } from './runs.js';
import { untilLaunched } from './untilLaunched.js';

/** What differs between drivers whose machines are processes of this host. */
export interface HostDriverParts<H extends ProcessHandle> extends Pick<
  Driver,
  'kind' | 'capabilities' | 'decode' | 'files' | 'snapshots'
> {
  readonly runs: Runs;
  /** Milliseconds between two reads of a log that is followed. */
  readonly pollMs: number;
  prepare(plan: PreparePlan): Promise<void>;
  launch(plan: LaunchPlan): Promise<Machine>;
  resume?(plan: LaunchPlan): Promise<Machine>;
  forget?(home: string): Promise<void>;
  decodeHandle(handle: MachineHandle): H;
  /** The directory outside its home in which an instance works, if it does. */
  outsideOf?(spec: InstanceSpec): string | undefined;
  /** A machine around a process that runs and was found again. */
  machineOf(plan: AdoptPlan, run: Run, handle: H): Machine | Promise<Machine>;
  discard(home: string): Promise<void>;
  /** Awaited before the spawner is closed. */
  beforeClose?(): Promise<void>;
}

/** Makes a driver of the parts that differ. */
export function createHostDriver<H extends ProcessHandle>(parts: HostDriverParts<H>): Driver {
  const { kind, capabilities, decode, files, snapshots, runs, pollMs } = parts;
  const { resume, forget } = parts;
  const sources = capabilities.logs;

  const adopt = async (plan: AdoptPlan, handle: MachineHandle): Promise<Machine> => {
    const decoded = parts.decodeHandle(handle);
    const found = await runs.find(plan.home, decoded, parts.outsideOf?.(plan.spec));
    return 'ended$' in found ? parts.machineOf(plan, found, decoded) : createEndedMachine(decoded, found);
  };

  return {
    ...{ kind, capabilities, decode },
    leavesFiles: true,
    prepare: (plan) => completeAfter(() => parts.prepare(plan)),
    launch: (plan) => untilLaunched(() => parts.launch(plan)),
    ...(resume && { resume: (plan) => untilLaunched(() => resume(plan)) }),
    ...(forget && { forget: (home) => completeAfter(() => forget(home)) }),
    adopt: (plan, handle) => defer(() => adopt(plan, handle)),
    reclaim: (home) => completeAfter(() => runs.reclaim(home)),
    discard: (home) => completeAfter(() => parts.discard(home)),
    close: () =>
      completeAfter(async () => {
        await parts.beforeClose?.();
        await runs.close();
      }),
    logs: (home, { source, followUntil$: end$, ...query }) => {
      if (!sources.includes(source)) return throwError(() => new LogNotFound({ source, sources }));
      return readLog(createLogFiles(home, source), query, end$ && { pollMs, end$ });
    },
    ...(files && { files }),
    ...(snapshots && { snapshots }),
  };
}
