import { port } from '../../codecs/scalars.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { FreePorts } from '../host/freePorts.js';
import type { MachinePort } from '../host/machinePorts.js';
import { portVariablesOf } from '../host/portVariables.js';

/**
 * At which ports of this host a process is to listen: for each of its ports at the one that `env` of the request names in a variable
 * that would tell it, else at a free one.
 *
 * @throws `LaunchFailed` as a rejection where none is free
 */
export async function processPorts(
  { ports = [], env }: InstanceSpec,
  freePorts: FreePorts,
): Promise<readonly MachinePort[]> {
  const named = ports.map(({ guest }, index) => portNamedIn(env, portVariablesOf(guest, index)));
  const picked = await freePorts.pick(named.filter((host) => host === undefined).length);
  const free = picked.values();
  return ports.map(({ guest }, index) => ({ guest, host: named[index] ?? (free.next().value as number) }));
}

const portNamedIn = (env: InstanceSpec['env'], variables: readonly string[]): number | undefined =>
  variables
    .map((variable) => env[variable] ?? '')
    .filter((value) => /^\d{1,5}$/.test(value))
    .map(Number)
    .find((value) => port.is(value));
