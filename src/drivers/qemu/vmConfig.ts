import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { integer, oneOf, text } from '../../codecs/scalars.js';
import { type AgentVersion, agentVersion } from './agentVersion.js';

/** What a virtual machine is built of: it can be resumed from its memory only where all of this is the same. */
export interface VmConfig {
  /** Version of the QEMU that runs it. */
  readonly qemu: string;
  /** Resolved name of its board, such as `pc-i440fx-7.2`; an alias like `pc` means another one in each version. */
  readonly machine: string;
  readonly accel: 'kvm' | 'tcg';
  /** The model of its processors. */
  readonly cpu: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly hasDisk: boolean;
  /** Which devices it has besides these: {@link currentDevices} is what is built now. @defaultValue 1 */
  readonly devices?: number;
  /** What the agent in its guest understands; absent where there is none. */
  readonly agent?: AgentVersion;
}

/** Since 2 there is a port to the agent in the guest. */
export const currentDevices = 2;

/** Decodes a {@link VmConfig}. All of it comes to stand in a command line, where a comma would begin something else. */
export const vmConfig: t.Type<VmConfig, unknown> = closed(
  'what a virtual machine is built of',
  {
    qemu: text('a version of QEMU', (value) => /^\d{1,3}(\.\d{1,3}){2}$/.test(value)),
    machine: text('the name of a board', (value) => /^[\w.-]{1,60}$/.test(value)),
    accel: oneOf(['kvm', 'tcg']),
    cpu: text('the name of a processor model', (value) => /^[\w.-]{1,60}$/.test(value)),
    vcpus: integer('processors', 1, 256),
    memoryMiB: integer('MiB', 16, 1_048_576),
    hasDisk: t.boolean,
  },
  { devices: integer('version', 1, 1_000), agent: agentVersion },
);
