import { boundedList } from '../codecs/boundedList.js';
import { closed } from '../codecs/closed.js';
import { integer, oneOf, port } from '../codecs/scalars.js';
import type { Fault } from '../lifecycle/errors.js';
import type { ForwardedPort } from '../lifecycle/instance.js';

/** Decodes the {@link ForwardedPort}s of an instance. What several of them must not share, {@link faultsOfPorts} tells. */
export const ports = boundedList(
  'ports (an array of at most 64)',
  closed(
    'a port',
    { guest: port },
    {
      host: integer('TCP port, or 0 for a free one', 0, 65_535),
      wake: oneOf(['standby', 'stopped', 'never']),
    },
  ),
  0,
  64,
);

/** Tells of each port that is said twice. */
export function faultsOfPorts(said: readonly ForwardedPort[]): readonly Fault[] {
  return said.flatMap(({ guest, host = 0 }, index) => {
    const fault = (key: 'guest' | 'host', value: number): Fault => ({
      path: `ports[${String(index)}].${key}`,
      found: String(value),
      expected: 'another port than those before it',
    });
    const isFirst = (key: 'guest' | 'host', value: number): boolean =>
      said.findIndex((other) => other[key] === value) === index;
    return [
      ...(host === 0 || isFirst('host', host) ? [] : [fault('host', host)]),
      ...(isFirst('guest', guest) ? [] : [fault('guest', guest)]),
    ];
  });
}
