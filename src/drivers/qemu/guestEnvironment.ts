import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import { portVariables } from '../host/portVariables.js';

/** The variables of what runs in a guest. */
export const guestEnvironment = ({
  instanceId,
  name,
  spec,
  secrets,
}: Pick<LaunchPlan, 'instanceId' | 'name' | 'spec' | 'secrets'>): Readonly<Record<string, string>> => ({
  ...portVariables(guestPortsOf(spec).map((guest) => ({ guest, host: guest }))),
  ...spec.env,
  ...secrets,
  INSTANCE_ID: instanceId,
  INSTANCE_NAME: name,
});

/** The ports of a guest that are reached from outside. */
export const guestPortsOf = ({ ports = [] }: InstanceSpec): readonly number[] =>
  ports.map(({ guest }) => guest);
