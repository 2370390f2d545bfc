import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer } from '../../codecs/scalars.js';
import type { MachineHandle } from '../../lifecycle/instance.js';
import { type MachinePort, machinePorts } from './machinePorts.js';
import { type ProcessEntry, processTable } from './processTable.js';

/** By what a process is found again: a pid alone may have gone to another one meanwhile. */
export interface ProcessHandle extends MachineHandle {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  /** Where in the instance's log the run of this process begins. */
  readonly logStart: number;
  /** Tells the instance's home from copies of it, whose instances never had this process. */
  readonly home: string;
  /** The secret of its run. Without it, it is of version 0.1.0, or was not to outlive the one that started it. */
  readonly token?: string;
  /** The control group that it was born in, as the kernel names it. */
  readonly group?: string;
  /** Names its run in the log. Absent where it writes there itself. */
  readonly run?: string;
  /** The directory outside its home in which it was started, by its {@link directoryId}: no path of it needs to stay what it was. */
  readonly place?: string;
  /** Its ports. Absent where it has none. */
  readonly ports?: readonly MachinePort[];
}

/** Decodes the handle of a process. @throws {@link InvalidRequest} */
export const decodeProcessHandle = (handle: unknown): ProcessHandle => decodeOrThrow(processHandle, handle);

/** The process of a handle, unless it has ended. */
export async function findProcess({
  pid,
  startTime,
  bootId,
}: Pick<ProcessHandle, 'pid' | 'startTime' | 'bootId'>): Promise<ProcessEntry | undefined> {
  const entry = await processTable.find(pid);
  const isSame = entry?.startTime === startTime && (await processTable.bootId()) === bootId;
  return isSame && entry.state !== 'Z' ? entry : undefined;
}

/** What decodes each field of a {@link ProcessHandle}. */
export const processHandleFields = {
  pid: integer('pid', 2, 2 ** 31 - 1),
  startTime: t.string,
  bootId: t.string,
  logStart: integer('place', 0, Number.MAX_SAFE_INTEGER),
  home: t.string,
};

/** What decodes each field of a {@link ProcessHandle} that may be absent. */
export const optionalHandleFields = { token: t.string, group: t.string, run: t.string };

/** Decodes a {@link ProcessHandle}. */
export const processHandle: t.Type<ProcessHandle, unknown> = closed(
  'handle of a process',
  processHandleFields,
  { ...optionalHandleFields, place: t.string, ports: machinePorts },
);
