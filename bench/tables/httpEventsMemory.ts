import assert from 'node:assert/strict';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startBeside, startIsolated } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { serverProgram, type ServerQuestion } from '../harness/httpServer.js';

const row: Row = '1,000 clients, a tenth of them slow';
const clients = 1_000;
const events = 1_000;

/** Each time in a server of its own: what a process has had it keeps. */
async function grown(count: number): Promise<number> {
  const source = startIsolated<ServerQuestion>(serverProgram);
  const crowd = startBeside<ClientsQuestion>(clientsProgram, source);
  try {
    const port = await source.ask({ kind: 'serve', server: 'ours' });
    // The log is full and the code warm before anybody comes.
    await crowd.ask({ kind: 'follow', port, clients: 10, slow: 'none' });
    await source.ask({ kind: 'happen', events: 2 * events, together: 100, everyMs: 10 });
    await crowd.ask({ kind: 'hear', events: 2 * events });
    await crowd.ask({ kind: 'leave' });
    const before = await source.ask({ kind: 'memory' });
    await crowd.ask({ kind: 'follow', port, clients: count, slow: 'read nothing' });
    await source.ask({ kind: 'happen', events, together: 10, everyMs: 10 });
    const after = await source.ask({ kind: 'memory' });
    const behind = await crowd.ask({ kind: 'hear', events });
    assert.ok(behind >= count / 10, 'who reads nothing is behind, and has all in the end');
    return (after - before) / count;
  } finally {
    crowd.end();
    source.end();
  }
}

const ours: Contender = {
  name: 'ours',
  // The table of the same clients checks the same.
  measuredOnly: true,
  open: (): Session => ({
    check: async () => {
      await grown(50);
    },
    sample: () => grown(clients),
  }),
};

/** What a client holds of our memory, whatever its speed. */
export const httpEventsMemory: Bench = {
  name: 'http-events-memory',
  title: 'Memory of a client of the stream',
  unit: 'bytes',
  rowsAre: 'clients',
  rows: [row],
  rounds: 3,
  contenders: [ours],
  goals: [{ what: 'each client', of: { contender: ours.name, row }, atMost: 80_000 }],
  about:
    'What the resident memory of the server grew by for each of 1,000 clients, of whom each tenth reads nothing, after 1,000 events within a second. In the end the slow ones read too: all have all events, none missing and none twice. They run in a network of its own in which a server buffers at most 64 KiB for each client, so that slow ones are slow soon.',
};
