import type { LaunchPlan } from '../driver.js';
import type { MachinePort } from '../host/machinePorts.js';
import { portVariables } from '../host/portVariables.js';

/** Variables of this process that an instance gets: all, or the usual ones and those that are named. */
export type InheritEnv = true | readonly string[];

/** What everybody needs. All others are the instance's own. */
const usual = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR)$/;

/** The variables of a process that is started now. What is inherited is read here, and kept nowhere. */
export function environmentOf(
  { instanceId, name, spec, secrets }: LaunchPlan,
  inheritEnv: InheritEnv = [],
  ports: readonly MachinePort[] = [],
): Readonly<Record<string, string>> {
  const isInherited = (key: string): boolean =>
    inheritEnv === true || usual.test(key) || inheritEnv.includes(key);
  const ours = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && isInherited(entry[0]),
  );
  return {
    ...Object.fromEntries(ours),
    ...portVariables(ports),
    ...spec.env,
    ...secrets,
    ...{ INSTANCE_ID: instanceId, INSTANCE_NAME: name },
  };
}
