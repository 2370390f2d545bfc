import { port } from '../../codecs/scalars.js';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { FreePorts } from '../host/freePorts.js';
import type { MachinePort } from '../host/machinePorts.js';
import { portVariablesOf } from '../host/portVariables.js';

/**
 * At which ports of this host a process is to listen: for each of its ports at the one that `env` of the request names in a variable
 * that would tell it, else at a free one.
 *
 * @throws `LaunchFailed` as a rejection where none is free, or where `env` names the `host` of one of its ports: there the front door listens, so that after
 * the first stop the program could not
 */
export async function processPorts(
  { ports = [], env }: InstanceSpec,
  freePorts: FreePorts,
): Promise<readonly MachinePort[]> {
  const named = ports.map(({ guest }, index) => portNamedIn(env, portVariablesOf(guest, index)));
  const hosts = ports.map(({ host = 0 }) => host);
  const taken = named.find((host) => host !== undefined && hosts.includes(host));
  if (taken !== undefined) throw new LaunchFailed({ reason: namedTwice(taken, hosts.indexOf(taken)) });
  const picked = await freePorts.pick(named.filter((host) => host === undefined).length);
  const free = picked.values();
  return ports.map(({ guest }, index) => ({ guest, host: named[index] ?? (free.next().value as number) }));
}

const namedTwice = (host: number, index: number): string =>
  `env tells the program to listen on port ${String(host)}, which is ports[${String(index)}].host, where clients connect: leave one of them out`;

const portNamedIn = (env: InstanceSpec['env'], variables: readonly string[]): number | undefined =>
  variables
    .map((variable) => env[variable] ?? '')
    .filter((value) => /^\d{1,5}$/.test(value))
    .map(Number)
    .find((value) => port.is(value));
