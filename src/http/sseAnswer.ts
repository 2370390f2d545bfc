import type { FastifyReply } from 'fastify';
import { interval, type Subscription } from 'rxjs';
import type { OpenStreams } from './openStreams.js';

/** An answer in the form of server-sent events that has begun. */
export interface SseAnswer {
  /** Whether its client reads: what is written now waits in this process otherwise. */
  readonly isRead: boolean;
  write(text: string): void;
  end(): void;
}

/** Who hears what becomes of it. */
export interface SseListener {
  /** The client has read what waited. */
  drained(): void;
  /** It is over, whoever ended it; nothing is written any more. Called once. */
  over(): void;
}

/** How much may wait in this process for one client that does not read, in bytes. */
const mostWaiting = 65_536;

/** Comments come this often, so that what is between does not take a quiet stream for a dead one. */
export const keepAliveMs = 15_000;

/**
 * Takes an answer out of Fastify's hands and begins it. It is ended with all others by {@link OpenStreams.endAll}.
 * None is begun where the client has gone by now. @throws {@link Refusal} where there are as many as there may be
 */
export function openSse(
  reply: FastifyReply,
  streams: OpenStreams,
  listener: SseListener,
): SseAnswer | undefined {
  const { raw } = reply;
  // Its `close` is over: nobody would tell us again.
  if (raw.destroyed) return undefined;
  streams.checkRoom();
  let keepAlive: Subscription | undefined = undefined;
  const end = (lastWords = ''): void => {
    if (!raw.writableEnded) raw.end(lastWords);
  };
  const remove = streams.add({
    end: (reason) => {
      end(`: ${reason.replace(/[\r\n]/g, ' ')}\n\n`);
    },
  });
  raw.once('close', () => {
    keepAlive?.unsubscribe();
    remove();
    listener.over();
  });
  raw.on('drain', () => {
    listener.drained();
  });
  // Who goes in the middle of a write is no fault of ours; `close` comes after it.
  raw.on('error', () => undefined);
  reply.hijack();
  raw.writeHead(200, { ...headersOf(reply), ...sseHeaders });
  raw.flushHeaders();
  const answer: SseAnswer = {
    get isRead() {
      return !raw.writableNeedDrain || raw.writableLength < mostWaiting;
    },
    write: (text) => {
      if (!raw.writableEnded && !raw.destroyed) raw.write(text);
    },
    end,
  };
  keepAlive = interval(keepAliveMs).subscribe(() => {
    if (answer.isRead) answer.write(':\n\n');
  });
  return answer;
}

const sseHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const;

/** What hooks have set by now: who is answered by hand gets it too. */
const headersOf = (reply: FastifyReply): Record<string, string> =>
  Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
