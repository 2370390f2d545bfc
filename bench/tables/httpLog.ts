import { join } from 'node:path';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { serverProgram, type ServerQuestion } from '../harness/httpServer.js';
import { longLog } from '../harness/longLog.js';
import { filledFolder } from '../harness/scratch.js';

const rows: readonly Row[] = [1_000, 100_000];

/** The first event of the log is the place to begin after. */
const after = 1;

/** What our API sends of such a log, as a file. */
const sent = async (events: number): Promise<string> => {
  const folder = await filledFolder(`sent-${String(events)}`, async (unfinished) => {
    const source = startAsked<ServerQuestion>(serverProgram);
    const clients = startAsked<ClientsQuestion>(clientsProgram);
    const port = await source.ask({ kind: 'serve', server: 'ours', from: await longLog(events) });
    const into = join(unfinished, 'events');
    await clients.ask({ kind: 'read', port, after, events: events - after, into });
    clients.end();
    source.end();
  });
  return join(folder, 'events');
};

const reading = (name: string, server: 'ours' | 'bare'): Contender => ({
  name,
  measuredOnly: server === 'bare',
  open: async (row): Promise<Session> => {
    const all = Number(row);
    const file = await sent(all);
    const source = startAsked<ServerQuestion>(serverProgram);
    const clients = startAsked<ClientsQuestion>(clientsProgram);
    const isOurs = server === 'ours';
    const port = await source.ask({ kind: 'serve', server, from: isOurs ? await longLog(all) : file });
    const read = (): Promise<number> =>
      clients.ask({ kind: 'read', port, events: all - after, ...(isOurs && { after }) });
    return {
      check: async () => {
        await read();
      },
      sample: read,
      close: () => {
        clients.end();
        source.end();
      },
    };
  },
});

const ours = reading('ours', 'ours');
const file = reading('a file', 'bare');

/** What it takes to be sent what the log has. */
export const httpLog: Bench = {
  name: 'http-log',
  title: 'Read the log through the API',
  unit: 'ns',
  rowsAre: 'events',
  rows,
  rounds: 3,
  contenders: [ours, file],
  goals: [
    {
      what: '100,000 events, beside a file',
      of: { contender: ours.name, row: 100_000 },
      by: { contender: file.name, row: 100_000 },
      atMost: 3,
    },
  ],
  about:
    'One event of `GET /events?after=` from the first event of a data directory to the last, until its client has it and has looked at its id. Beside it the same bytes, streamed by Fastify from a file.',
};
