import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type Bench, type Contender, NotRun, type Row, type Session } from '../harness/bench.js';
import { type DoorLoad, type LoadQuestion, startDoorLoad } from '../harness/doorLoad.js';
import { standingDoor } from '../harness/standingDoor.js';

/** What stands between clients and a server on a port: where it listens itself, and how it ends. */
type Between = (server: number) => Promise<{ readonly port: number; readonly end: () => Promise<void> }>;

/** One thing that is asked of the clients. */
interface Load {
  readonly question: (port: number) => LoadQuestion;
  /** Of so many the answer is one. */
  readonly of: number;
  readonly atMost: number;
}

const mebibytes = 64;
const stream = (kind: 'up' | 'down', connections: number): Load => ({
  question: (port) => ({ kind, port, connections, mebibytes }),
  of: mebibytes,
  atMost: 1.053,
});
const request = (quantile: number): Load => ({
  question: (port) => ({ kind: 'request', port, times: 2_000, quantile }),
  of: 2_000,
  atMost: 1.1,
});
const loads: Readonly<Record<string, Load>> = {
  '1 connection, up': stream('up', 1),
  '1 connection, down': stream('down', 1),
  '64 connections, up': stream('up', 64),
  '64 connections, down': stream('down', 64),
  'a new connection': {
    question: (port) => ({ kind: 'connect', port, connections: 512, atOnce: 16 }),
    of: 512,
    atMost: 1.1,
  },
  'a small request, median': request(0.5),
  'a small request, p99': request(0.99),
};
const processorOf = (row: string): string => `${row}: CPU`;
const rows = Object.keys(loads).flatMap((row) => (row.endsWith('p99') ? [row] : [row, processorOf(row)]));
const loadOf = (row: Row): Load => loads[String(row).replace(/: CPU$/, '')] as Load;
const isOfProcessor = (row: Row): boolean => String(row).endsWith(': CPU');

const proxied =
  (between: Between): ((row: Row) => Promise<Session>) =>
  async (row) => {
    const processes: readonly DoorLoad[] = [startDoorLoad(), startDoorLoad()];
    const [server, clients] = processes as [DoorLoad, DoorLoad];
    const { port, end } = await between(await server.ask({ kind: 'listen' }));
    const { question, of } = loadOf(row);
    return {
      // What comes is counted by the loads themselves. The second time the code is warm.
      check: async () => {
        await clients.ask({ kind: 'up', port, connections: 4, mebibytes: 1 });
        await clients.ask({ kind: 'down', port, connections: 4, mebibytes: 1 });
        await clients.ask({ kind: 'connect', port, connections: 64, atOnce: 4 });
        await clients.ask({ kind: 'request', port, times: 500, quantile: 0.5 });
        await clients.ask(question(port));
      },
      sample: async () => {
        const before = process.cpuUsage();
        const took = await clients.ask(question(port));
        const { user, system } = process.cpuUsage(before);
        return isOfProcessor(row) ? ((user + system) / of) * 1_000 : took;
      },
      close: () => {
        for (const load of processes) load.end();
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
  open: (row) => {
    if (isOfProcessor(row)) throw new NotRun('nothing stands between');
    return proxied((port) => Promise.resolve({ port, end: () => Promise.resolve() }))(row);
  },
};

/** What the front door costs beside a bare proxy, and beside none. */
export const door: Bench = {
  name: 'door',
  title: 'Through the front door',
  unit: 'ns',
  rowsAre: 'what',
  rows,
  rounds: 9,
  contenders: [ours, bare, direct],
  goals: rows.map((row) => ({
    what: `${row}, beside net and pipe`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: loadOf(row).atMost,
  })),
  about: `Time of one MiB of ${String(mebibytes)} that go to the server (up) or come from it (down) by so many connections; of a new connection with one byte sent and one received, 16 at a time; of a request of 100 bytes with an answer of as many, one after another. Clients, server and what stands between them are three processes on loopback. CPU is what the processor spends for the one that stands between: where it has more to do than there are processors, wall time says little of it. Beside it a proxy of Node's \`net\` and \`pipe\`. At most 1.053 times the time is at least 0.95 times the throughput.`,
};
