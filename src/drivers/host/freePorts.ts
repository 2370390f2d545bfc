import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { PortRange } from './portRange.js';

/**
 * Picks ports for programs that bind them later. Nobody can keep one free until then, so all is done that makes it rare that it is taken:
 * the range is one from which the system gives nobody a port by itself, the ports are picked one after the other, from a place
 * that is another one in each manager, and none that is held is picked.
 */
export interface FreePorts {
  /**
   * Picks ports on which nobody listens at this moment, at whatever address of this host, and holds them.
   *
   * @throws {@link LaunchFailed} as a rejection where none is left
   */
  pick(count: number): Promise<readonly number[]>;
  /** Holds ports that somebody has from before. */
  hold(ports: readonly number[]): void;
  /** Lets them be picked again. */
  release(ports: readonly number[]): void;
}

/** Creates {@link FreePorts}. */
export function createFreePorts({ from, to }: PortRange): FreePorts {
  const size = to - from + 1;
  const held = new Set<number>();
  let next = from + randomInt(size);

  const release = (ports: readonly number[]): void => {
    for (const port of ports) held.delete(port);
  };

  const pickOne = async (): Promise<number> => {
    for (let tried = 0; tried < size; tried += 1) {
      const port = next;
      next = port === to ? from : port + 1;
      if (held.has(port)) continue;
      // Before it is looked at, so that nobody else picks it meanwhile.
      held.add(port);
      if (await isFree(port)) return port;
      held.delete(port);
    }
    const range = `from ${String(from)} to ${String(to)}`;
    throw new LaunchFailed({ reason: `no port ${range} is free for what the instance is to listen on` });
  };

  return {
    pick: async (count) => {
      const picked: number[] = [];
      try {
        while (picked.length < count) picked.push(await pickOne());
        return picked;
      } catch (error) {
        release(picked);
        throw error;
      }
    },
    hold: (ports) => {
      for (const port of ports) held.add(port);
    },
    release,
  };
}

/** At all addresses: most programs listen there. */
const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
