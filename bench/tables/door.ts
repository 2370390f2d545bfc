import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { type DoorLoad, type LoadQuestion, startDoorLoad } from '../harness/doorLoad.js';
import { standingDoor } from '../harness/standingDoor.js';

/** What stands between clients and a server on a port: where it listens itself, and how it ends. */
type Between = (server: number) => Promise<{ readonly port: number; readonly end: () => Promise<void> }>;

const mebibytes = 64;
const rows: Readonly<Record<string, (port: number) => LoadQuestion>> = {
  '1 connection, up': (port) => ({ kind: 'up', port, connections: 1, mebibytes }),
  '1 connection, down': (port) => ({ kind: 'down', port, connections: 1, mebibytes }),
  '64 connections, up': (port) => ({ kind: 'up', port, connections: 64, mebibytes }),
  '64 connections, down': (port) => ({ kind: 'down', port, connections: 64, mebibytes }),
  'a new connection': (port) => ({ kind: 'connect', port, connections: 512, atOnce: 16 }),
  'a small request, median': (port) => ({ kind: 'request', port, times: 2_000, quantile: 0.5 }),
  'a small request, p99': (port) => ({ kind: 'request', port, times: 2_000, quantile: 0.99 }),
};
const throughput = (row: string): boolean => /up|down/.test(row);

const proxied =
  (between: Between): ((row: Row) => Promise<Session>) =>
  async (row) => {
    const loads: readonly DoorLoad[] = [startDoorLoad(), startDoorLoad()];
    const [server, clients] = loads as [DoorLoad, DoorLoad];
    const { port, end } = await between(await server.ask({ kind: 'listen' }));
    const question = rows[row];
    assert.ok(question !== undefined, 'it is a row');
    return {
      // What comes is counted by the loads themselves. The second time the code is warm.
      check: async () => {
        await clients.ask({ kind: 'up', port, connections: 4, mebibytes: 1 });
        await clients.ask({ kind: 'down', port, connections: 4, mebibytes: 1 });
        await clients.ask({ kind: 'connect', port, connections: 64, atOnce: 4 });
        await clients.ask({ kind: 'request', port, times: 500, quantile: 0.5 });
      },
      sample: () => clients.ask(question(port)),
      close: () => {
        for (const load of loads) load.end();
        return end();
      },
    };
  };

const ours: Contender = {
  name: 'ours',
  open: proxied(standingDoor),
};

const bare: Contender = {
  name: 'net and pipe',
  open: proxied(async (port) => {
    const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const machine = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      client.on('error', () => machine.destroy());
      machine.on('error', () => client.destroy());
      client.pipe(machine);
      machine.pipe(client);
    });
    proxy.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
    await once(proxy, 'listening');
    return {
      port: (proxy.address() as AddressInfo).port,
      end: () =>
        new Promise((done) =>
          proxy.close(() => {
            done();
          }),
        ),
    };
  }),
};

const direct: Contender = {
  name: 'no proxy',
  open: proxied((port) => Promise.resolve({ port, end: () => Promise.resolve() })),
};

/** What the front door costs beside a bare proxy, and beside none. */
export const door: Bench = {
  name: 'door',
  title: 'Through the front door',
  unit: 'ns',
  rowsAre: 'what',
  rows: Object.keys(rows),
  rounds: 7,
  contenders: [ours, bare, direct],
  goals: Object.keys(rows).map((row) => ({
    what: `${row}, beside net and pipe`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: throughput(row) ? 1.053 : 1.1,
  })),
  about: `Time of one MiB of ${String(mebibytes)} that go to the server (up) or come from it (down) by so many connections; of a new connection with one byte sent and one received, 16 at a time; of a request of 100 bytes with an answer of as many, one after another. Clients, server and what stands between them are three processes on loopback. Beside it a proxy of Node's \`net\` and \`pipe\`. At most 1.053 times the time is at least 0.95 times the throughput.`,
};
