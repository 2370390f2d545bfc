import assert from 'node:assert/strict';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked, startBeside, startIsolated } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { serverProgram, type ServerQuestion } from '../harness/httpServer.js';

const row: Row = '1,000 clients, 1,000 events a second';
const clients = 1_000;
const events = 1_000;
const pace = { together: 10, everyMs: 10 };

const fanOut = (name: string, server: 'ours' | 'bare'): Contender => ({
  name,
  measuredOnly: server === 'bare',
  open: async (): Promise<Session> => {
    const isOurs = server === 'ours';
    const source = isOurs
      ? startIsolated<ServerQuestion>(serverProgram)
      : startAsked<ServerQuestion>(serverProgram);
    const crowd = isOurs
      ? startBeside<ClientsQuestion>(clientsProgram, source)
      : startAsked<ClientsQuestion>(clientsProgram);
    const port = await source.ask({ kind: 'serve', server });
    return {
      check: async () => {
        await crowd.ask({ kind: 'follow', port, clients: 50, slow: isOurs ? 'read nothing' : 'none' });
        await source.ask({ kind: 'happen', events, ...pace, everyMs: 2 });
        const behind = await crowd.ask({ kind: 'hear', events });
        if (isOurs) assert.equal(behind, 5, 'those who read nothing are told that they are behind');
        await crowd.ask({ kind: 'leave' });
      },
      sample: async () => {
        await crowd.ask({ kind: 'follow', port, clients, slow: isOurs ? 'read slowly' : 'none' });
        const before = await source.ask({ kind: 'processor' });
        await source.ask({ kind: 'happen', events, ...pace });
        const behind = await crowd.ask({ kind: 'hear', events });
        const spent = (await source.ask({ kind: 'processor' })) - before;
        if (isOurs) assert.ok(behind > 0, 'some are slow');
        await crowd.ask({ kind: 'leave' });
        return spent / (clients * events);
      },
      close: () => {
        crowd.end();
        source.end();
      },
    };
  },
});

const ours = fanOut('ours', 'ours');
const sse = fanOut('@fastify/sse', 'bare');

/** What an event costs a server for each who hears it. */
export const httpEvents: Bench = {
  name: 'http-events',
  title: 'Events to many clients',
  unit: 'ns',
  rowsAre: 'clients',
  rows: [row],
  rounds: 3,
  contenders: [ours, sse],
  goals: [
    {
      what: 'beside @fastify/sse',
      of: { contender: ours.name, row },
      by: { contender: sse.name, row },
      atMost: 0.1,
    },
  ],
  about:
    'Processor time of the server for one event to one client, of 1,000 events within a second, or as soon as the server gets to it, to 1,000 clients of whom each tenth reads slowly, until all of them have all. Beside it a fan-out of the same events, each a ready string, by `reply.sse.send`. Clients look at every id: none is missing and none comes twice. Ours runs in a network of its own in which a server buffers at most 64 KiB for each client, so that slow ones are slow soon; the fan-out, which does not end with slow clients, on the loopback of the host, where nobody is slow.',
};
