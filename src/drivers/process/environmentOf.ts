import type { LaunchPlan } from '../driver.js';
import type { Identity } from '../host/identity.js';
import type { MachinePort } from '../host/machinePorts.js';
import { portVariables } from '../host/portVariables.js';

/** Variables of this process that an instance gets: all, or the usual ones and those that are named. */
export type InheritEnv = true | readonly string[];

/** What everybody needs. All others are the instance's own. */
const usual = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR)$/;

/** Which of them are about who runs it. */
const personal = /^(HOME|USER|LOGNAME|SHELL)$/;

const variablesOf = ({ entry }: Identity): Readonly<Record<string, string>> =>
  entry === undefined
    ? { HOME: '/' }
    : {
        HOME: entry.home,
        USER: entry.name,
        LOGNAME: entry.name,
        ...(entry.shell !== '' && { SHELL: entry.shell }),
      };

/** What the variables of a process are made of, besides those of its spec. */
export interface EnvironmentOptions {
  readonly inheritEnv?: InheritEnv | undefined;
  readonly ports?: readonly MachinePort[] | undefined;
  /** As whom it runs, if not as this process. */
  readonly identity?: Identity | undefined;
}

/** The variables of a process that is started now. What is inherited is read here, and kept nowhere. */
export function environmentOf(
  { instanceId, name, spec, secrets }: LaunchPlan,
  { inheritEnv = [], ports = [], identity }: EnvironmentOptions = {},
): Readonly<Record<string, string>> {
  const isInherited = (key: string): boolean =>
    inheritEnv === true || usual.test(key) || inheritEnv.includes(key);
  const ours = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && isInherited(entry[0]),
  );
  return {
    ...Object.fromEntries(identity === undefined ? ours : ours.filter(([key]) => !personal.test(key))),
    ...(identity !== undefined && variablesOf(identity)),
    ...portVariables(ports),
    ...spec.env,
    ...secrets,
    ...{ INSTANCE_ID: instanceId, INSTANCE_NAME: name },
  };
}
