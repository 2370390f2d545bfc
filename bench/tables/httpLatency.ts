import assert from 'node:assert/strict';
import { openRemote } from 'rx-instances/remote';
import { mergeMap, type Observable, Subject, takeUntil } from 'rxjs';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startAsked } from '../harness/askedProcess.js';
import { readerToken } from '../harness/httpClients.js';
import { serverProgram, type ServerQuestion } from '../harness/httpServer.js';
import { median } from '../harness/statistics.js';

const row: Row = 'median';
const most = 100;
/** Longer than events are held back to be sent together. */
const everyMs = 15;

const clock = (): number => Number(process.hrtime.bigint());

/** Emits for each event that comes; each comes alone. */
type Hear = (baseUrl: string) => Promise<{ readonly heard$: Observable<unknown>; end(): void }>;

const hearing = (name: string, server: 'ours' | 'bare', hear: Hear): Contender => ({
  name,
  measuredOnly: server === 'bare',
  open: async (): Promise<Session> => {
    const source = startAsked<ServerQuestion>(serverProgram);
    const port = await source.ask({ kind: 'serve', server });
    const { heard$, end } = await hear(`http://127.0.0.1:${String(port)}`);
    const ended$ = new Subject<void>();
    const sample = async (events: number): Promise<number> => {
      const heard: number[] = [];
      const all = new Promise<void>((resolve) => {
        heard$.pipe(takeUntil(ended$)).subscribe(() => {
          heard.push(clock());
          if (heard.length === events) resolve();
        });
      });
      const first = await source.ask({ kind: 'when' });
      await source.ask({ kind: 'happen', events, together: 1, everyMs });
      await all;
      ended$.next();
      const took: number[] = [];
      for (const [index, at] of heard.entries())
        took.push(at - (await source.ask({ kind: 'when', event: first + index })));
      assert.ok(
        took.every((each) => each > 0),
        'nothing is heard before it is said',
      );
      return median(took);
    };
    return {
      check: async () => {
        await sample(20);
      },
      sample: () => sample(most),
      close: () => {
        end();
        source.end();
      },
    };
  },
});

const ours = hearing('ours', 'ours', async (baseUrl) => {
  const remote = await openRemote({ baseUrl, token: readerToken() });
  return { heard$: remote.events('bench'), end: () => void remote.close() };
});

const chunk = hearing('a chunk of fetch', 'bare', async (baseUrl) => {
  const left = new AbortController();
  const { body } = await fetch(`${baseUrl}/events`, { signal: left.signal });
  const chunks$ = new Subject<Uint8Array>();
  const read = async (): Promise<void> => {
    for await (const each of body ?? []) chunks$.next(each as Uint8Array);
  };
  read().catch(() => undefined);
  return {
    // On a busy machine two events may come in one chunk.
    heard$: chunks$.pipe(mergeMap((bytes) => Buffer.from(bytes).toString().match(/^id: /gm) ?? [])),
    end: () => {
      left.abort();
    },
  };
});

/** How long an event is on its way to another process. */
export const httpLatency: Bench = {
  name: 'http-latency',
  title: 'From an event to a callback in another process',
  unit: 'ns',
  rowsAre: 'of 100 events',
  rows: [row],
  rounds: 5,
  contenders: [ours, chunk],
  goals: [
    {
      what: 'beside a chunk of fetch',
      of: { contender: ours.name, row },
      by: { contender: chunk.name, row },
      atMost: 1.5,
    },
  ],
  about:
    'From the publish of an event in a manager until a subscriber of a remote manager is told, through our API on loopback; of 100 events, one each 15 ms. Beside it from a ready string, sent by `@fastify/sse`, until `fetch` has given its bytes as text.',
};
