import type * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { type MachinePort, machinePorts } from '../host/machinePorts.js';
import { optionalHandleFields, type ProcessHandle, processHandleFields } from '../host/processHandle.js';

/** By what the QEMU of a machine is found again, and by which ports of this host its guest is reached. */
export interface QemuHandle extends ProcessHandle {
  readonly ports: readonly MachinePort[];
}

/** Decodes the handle of a virtual machine. @throws {@link InvalidRequest} */
export const decodeQemuHandle = (handle: unknown): QemuHandle => decodeOrThrow(qemuHandle, handle);

/** Tells the handle of a virtual machine from others. */
export const isQemuHandle = (handle: unknown): handle is QemuHandle => qemuHandle.is(handle);

const qemuHandle: t.Type<QemuHandle, unknown> = closed(
  'handle of a virtual machine',
  { ...processHandleFields, ports: machinePorts },
  optionalHandleFields,
);
