import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';
import ipaddr from 'ipaddr.js';
import type { AutoStandby } from '../../lifecycle/autoStandby.js';
import { boundedList } from '../boundedList.js';
import { closed } from '../closed.js';
import { integer, longestTimerMs, port, text } from '../scalars.js';
import { optional, required, wireObject } from '../wire/wireObject.js';
import { wireDuration } from '../wire/wireDuration.js';
import { keptAs } from './keptAs.js';

type Enabled = Extract<AutoStandby, { enabled: true }>;

const cidr = text('a network such as 10.0.0.0/8', (value) => ipaddr.isValidCIDR(value.trim()));
const common = {
  ignoreSourceCidrs: boundedList('networks (at most 100)', cidr, 0, 100),
  ignoreDestinationPorts: boundedList('TCP ports (at most 100)', port, 0, 100),
};

/** Decodes an {@link AutoStandby} as it is asked for. Networks and ports are put in order, each once. */
export const autoStandby = keptAs(
  closed(
    'auto-standby',
    { enabled: t.boolean },
    { idleTimeoutMs: integer('milliseconds', 1, longestTimerMs), ...common },
  ),
  ({ enabled, idleTimeoutMs = 0, ...ignored }): AutoStandby => {
    if (!enabled) return { enabled };
    const { ignoreSourceCidrs = [], ignoreDestinationPorts = [] } = ignored;
    return {
      enabled,
      idleTimeoutMs,
      ignoreSourceCidrs: [...new Set(ignoreSourceCidrs.map(networkOf))].sort(),
      ignoreDestinationPorts: [...new Set(ignoreDestinationPorts)].sort((one, other) => one - other),
    };
  },
  ({ enabled, idleTimeoutMs }) =>
    enabled && idleTimeoutMs === undefined
      ? { key: 'idleTimeoutMs', found: idleTimeoutMs, expected: 'milliseconds, where enabled is true' }
      : undefined,
);

/** A network without the bits that are none of its own. */
function networkOf(given: string): string {
  const [address, bits] = ipaddr.parseCIDR(given.trim());
  const kind = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${kind.networkAddressFromCIDR(given.trim()).toString()}/${String(bits)}`;
}

const off = wireObject('auto-standby', { enabled: required('enabled', t.literal(false)) });
const on = wireObject('auto-standby', {
  enabled: required('enabled', t.literal(true)),
  idleTimeoutMs: required('idle_timeout', wireDuration),
  ignoreSourceCidrs: optional('ignore_source_cidrs', t.readonlyArray(t.string, 'networks')),
  ignoreDestinationPorts: optional('ignore_destination_ports', t.readonlyArray(t.number, 'ports')),
});

/** The wire form of an {@link AutoStandby}: hypeman's. */
export const wireAutoStandby = new t.Type<AutoStandby, unknown>(
  off.name,
  (value): value is AutoStandby => off.is(value) || on.is(value),
  (value, context) =>
    E.isRight(off.decode(value))
      ? t.success({ enabled: false })
      : pipe(
          on.validate(value, context),
          E.map((decoded): Enabled => ({ ignoreSourceCidrs: [], ignoreDestinationPorts: [], ...decoded })),
        ),
  (policy) => (policy.enabled ? on.encode(policy) : off.encode(policy)),
);
