import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { firstValueFrom } from 'rxjs';
import type { Machine, Readiness } from 'rx-instances';
import { createProcessBench, eventually, isReady, script } from './processBench.js';

const bench = createProcessBench();
let holder: Server;

const letGo = async (): Promise<void> => {
  holder.closeAllConnections();
  if (holder.listening) await once(holder.close(), 'close');
};
afterEach(letGo);

const isReadyNow = async (machine: Machine): Promise<boolean> => {
  const status = await firstValueFrom(machine.inspect());
  return status.kind === 'running' && status.ready;
};

/** A command of the shell: a Node that listens as soon as nobody else does. */
const listener = (port: number): string =>
  `${process.execPath} -e "
    const server = require('http').createServer((_, response) => response.end());
    const listen = () => server.listen(${String(port)}, '127.0.0.1');
    server.on('error', () => setTimeout(listen, 5));
    listen();
  "`;

const kinds = {
  tcp: (port: number): Readiness => ({ kind: 'tcp', port }),
  http: (port: number): Readiness => ({ kind: 'http', port, path: '/' }),
};

it.each<[keyof typeof kinds, string, (port: number) => string]>([
  ['tcp', 'itself', (port) => `exec ${listener(port)}`],
  ['tcp', 'its child', (port) => `${listener(port)} & wait`],
  ['tcp', 'what has left its session', (port) => `setsid ${listener(port)} & wait`],
  ['http', 'itself', (port) => `exec ${listener(port)}`],
])(
  'a program is ready by %s once %s listens, not before: the port was held by another',
  async (kind, _, line) => {
    let asked = 0;
    holder = createServer((__, response) => response.end());
    holder.on('connection', () => (asked += 1));
    await once(holder.listen(0, '127.0.0.1'), 'listening');
    const { port } = holder.address() as AddressInfo;

    const plan = await bench.prepared({ ...script(line(port)), readiness: kinds[kind](port) });
    const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await eventually(() => asked > 5);
    await expect(isReadyNow(machine)).resolves.toBe(false);

    await letGo();
    await isReady(machine);
    await expect(isReadyNow(machine)).resolves.toBe(true);
  },
  20_000,
);
