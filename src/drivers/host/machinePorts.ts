import * as t from 'io-ts';
import { closed } from '../../codecs/closed.js';
import { port } from '../../codecs/scalars.js';
import type { Ports } from '../driver.js';

/** A port of a machine, and the port of 127.0.0.1 at which it is reached; it is kept in the handle. */
export type MachinePort = Readonly<Record<'guest' | 'host', number>>;

/** Decodes {@link MachinePort}s. */
export const machinePorts: t.Type<readonly MachinePort[], unknown> = t.readonlyArray(
  closed('a port', { guest: port, host: port }, {}),
);

/** The ports of a machine as its driver gives them. */
export const portsAt = (known: readonly MachinePort[] = []): Ports => ({
  addressOf: (guest) => {
    const found = known.find((one) => one.guest === guest);
    return found && { host: '127.0.0.1', port: found.host };
  },
});
