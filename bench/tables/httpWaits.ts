import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { served, serverProgram, type ServerQuestion } from '../harness/httpServer.js';

const row: Row = '10,000 waits';
const waits = 10_000;
const path = `/instances/${served}/wait?state=Stopped&timeout=5m`;

/** Each time in a server of its own: what a process has had it keeps. */
async function grown(server: 'ours' | 'bare', count: number): Promise<number> {
  const source = startAsked<ServerQuestion>(serverProgram);
  const clients = startAsked<ClientsQuestion>(clientsProgram);
  try {
    const port = await source.ask({ kind: 'serve', server });
    await clients.ask({ kind: 'wait', port, path, waits: 100 });
    const before = await source.ask({ kind: 'memory' });
    await clients.ask({ kind: 'wait', port, path, waits: count });
    // Of the last ones the request may still be on its way.
    await source.ask({ kind: 'waiting', requests: 100 + count });
    return ((await source.ask({ kind: 'memory' })) - before) / count;
  } finally {
    clients.end();
    source.end();
  }
}

const waiting = (name: string, server: 'ours' | 'bare'): Contender => ({
  name,
  // The table of an event beside waits checks the same.
  measuredOnly: true,
  open: (): Session => ({
    check: async () => {
      await grown(server, 100);
    },
    sample: () => grown(server, waits),
  }),
});

const ours = waiting('ours', 'ours');
const bare = waiting('bare Fastify', 'bare');

/** What a pending wait of a client holds of our memory. */
export const httpWaits: Bench = {
  name: 'http-waits',
  title: 'Memory of a wait through the API',
  unit: 'bytes',
  rowsAre: 'waits',
  rows: [row],
  rounds: 3,
  contenders: [ours, bare],
  goals: [{ what: 'each wait', of: { contender: ours.name, row }, atMost: 12_000 }],
  about:
    'What the resident memory of the server grew by for each of 10,000 requests, each on a connection of its own, that wait for an instance to be Stopped. Beside it a route of Fastify that never answers.',
};
