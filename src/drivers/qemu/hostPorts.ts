import { createServer } from 'node:net';
import { LaunchFailed } from '../../lifecycle/errors.js';
import type { ForwardedPort } from '../../lifecycle/instance.js';
import { messageOf } from '../../lifecycle/messageOf.js';

/**
 * Sees that the ports of this host that an instance of some name asks for are free. QEMU would only say that it could not set up a rule, and the machine
 * has given up its memory by then.
 *
 * @throws {@link LaunchFailed} naming each that is not, and why
 */
export async function checkHostPorts(name: string, ports: readonly ForwardedPort[] = []): Promise<void> {
  const checks = ports.map(async ({ guest, host = 0 }, index) => {
    const reason = host === 0 ? undefined : await reasonAgainst(host);
    const rule = `"${name}" asks by ports[${String(index)}] for port ${String(host)} of this host, to lead to ${String(guest)} of the guest`;
    return reason === undefined ? [] : [`${rule}, which ${reason}`];
  });
  const faults = (await Promise.all(checks)).flat();
  if (faults.length > 0) throw new LaunchFailed({ reason: faults.join('; ') });
}

const reasonAgainst = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'is in use' : `cannot be listened on: ${messageOf(error)}`);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
