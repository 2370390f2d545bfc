import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { accepts } from '../../../src/drivers/host/accepts.js';
import { freePort } from '../../support/freePort.js';
import { until } from '../../support/until.js';

const servers: Server[] = [];

async function listening(onConnection: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => once(server.close(), 'close')));
});

describe('accepts', () => {
  it('hangs up without a reset on a server that greets', async () => {
    const faults: string[] = [];
    const closed: Promise<unknown>[] = [];
    const endpoint = await listening((socket) => {
      socket.on('error', (error) => faults.push(error.message));
      closed.push(new Promise((resolve) => socket.once('close', resolve)));
      socket.end('220 ready\r\n');
    });
    for (let round = 0; round < 500; round += 1) {
      await expect(firstValueFrom(accepts(endpoint))).resolves.toBe(true);
    }
    await until(
      () => closed.length,
      (found) => found === 500,
    );
    await Promise.all(closed);
    expect(faults).toEqual([]);
  });

  it('leaves a server that never ends its greeting', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const endpoint = await listening((socket) => {
      socket.on('error', () => undefined);
      const greet = (): boolean => socket.write('more\r\n', (error) => error ?? setImmediate(greet));
      closed = new Promise((resolve) => socket.once('close', resolve));
      greet();
    });
    await expect(firstValueFrom(accepts(endpoint))).resolves.toBe(true);
    await closed;
  });

  it('fails where nobody listens', async () => {
    const port = await freePort();
    await expect(firstValueFrom(accepts({ host: '127.0.0.1', port }))).rejects.toThrow('ECONNREFUSED');
  });
});
