import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { served, serverProgram, type ServerQuestion } from '../harness/httpServer.js';

const [request, processor] = ['GET /instances/{id}', 'GET /instances/{id}: CPU'];
const rows: readonly Row[] = [request, processor];
const [connections, times] = [20, 6_000];
const path = `/instances/${served}`;

const reads = (name: string, server: 'ours' | 'bare'): Contender => ({
  name,
  measuredOnly: server === 'bare',
  open: async (row): Promise<Session> => {
    const source = startAsked<ServerQuestion>(serverProgram);
    const clients = startAsked<ClientsQuestion>(clientsProgram);
    const port = await source.ask({ kind: 'serve', server });
    return {
      check: async () => {
        await clients.ask({ kind: 'request', port, path, connections, times: 2_000 });
      },
      sample: async () => {
        const before = await source.ask({ kind: 'processor' });
        const took = await clients.ask({ kind: 'request', port, path, connections, times });
        const spent = (await source.ask({ kind: 'processor' })) - before;
        return row === processor ? spent / times : took;
      },
      close: () => {
        clients.end();
        source.end();
      },
    };
  },
});

const ours = reads('ours', 'ours');
const bare = reads('bare Fastify', 'bare');

/** What a read through the API costs. */
export const httpReads: Bench = {
  name: 'http-reads',
  title: 'Read an instance through the API',
  unit: 'ns',
  rowsAre: 'what',
  rows,
  rounds: 9,
  contenders: [ours, bare],
  goals: rows.map((row) => ({
    what: `${String(row)}, beside bare Fastify`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: 1.111,
  })),
  about:
    'One of 6,000 requests with a token, by 20 connections that are kept; CPU is what the processor spends for the server. Beside it a route of Fastify that answers the same bytes to whoever asks. At most 1.111 times the time is at least 0.9 times the requests.',
};
