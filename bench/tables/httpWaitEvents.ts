import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked } from '../harness/askedProcess.js';
import { clientsProgram, type ClientsQuestion } from '../harness/httpClients.js';
import { served, serverProgram, type ServerQuestion, waitedFor } from '../harness/httpServer.js';

const row: Row = '10,000 waits';
const waits = 10_000;
const events = 5_000;

const publishing = (name: string, pending: number): Contender => ({
  name,
  measuredOnly: pending === 0,
  open: async (): Promise<Session> => {
    const source = startAsked<ServerQuestion>(serverProgram);
    const clients = startAsked<ClientsQuestion>(clientsProgram);
    const port = await source.ask({ kind: 'serve', server: 'ours' });
    const path = `/instances/${waitedFor}/wait?state=Stopped&timeout=5m`;
    let begun = 0;
    const begin = async (count: number): Promise<void> => {
      await clients.ask({ kind: 'wait', port, path, waits: count - begun });
      begun = count;
      await source.ask({ kind: 'waiting', requests: count });
    };
    const happen = async (): Promise<number> => {
      const before = await source.ask({ kind: 'processor' });
      await source.ask({ kind: 'happen', events, together: events, everyMs: 0 });
      return ((await source.ask({ kind: 'processor' })) - before) / events;
    };
    return {
      check: async () => {
        await begin(Math.min(pending, 100));
        await happen();
      },
      sample: async () => {
        if (begun < pending) {
          await begin(pending);
          await source.ask({ kind: 'memory' });
        }
        return happen();
      },
      close: () => {
        clients.end();
        source.end();
      },
    };
  },
});

const ours = publishing('ours', waits);
const nobody = publishing('ours, nobody waits', 0);

/** What waits of clients cost those who do something else. */
export const httpWaitEvents: Bench = {
  name: 'http-wait-events',
  title: 'An update while clients wait for another instance',
  unit: 'ns',
  rowsAre: 'waits',
  rows: [row],
  rounds: 9,
  contenders: [ours, nobody],
  goals: [
    {
      what: 'beside none that wait',
      of: { contender: ours.name, row },
      by: { contender: nobody.name, row },
      atMost: 1.1,
    },
  ],
  about: `Processor time of one of 5,000 updates of \`${served}\` in memory, while 10,000 requests wait for another instance to be Stopped, and while none does.`,
};
