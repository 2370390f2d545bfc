import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { fromEvent, ignoreElements, interval, merge, type Observable, take, tap, TimeoutError } from 'rxjs';
import { gone } from '../gone.js';
import type { OpenStreams } from '../openStreams.js';
import type { EventSink } from './eventSink.js';
import { serverSentEvent } from './serverSentEvent.js';

/** An answer that is a stream of server-sent events. */
export interface EventStream extends EventSink {
  /** Ends it; with a reason its client is told. */
  end(reason?: string): void;
}

const sseHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // A proxy that collects answers would hold back what should come at once.
  'x-accel-buffering': 'no',
} as const;

/** Comments come this often where nothing else does, so that what is between does not take a quiet stream for a dead one. */
const keepAliveMs = 15_000;

/** How a client is told why its stream ends. */
export const closingEvent = (reason: string): string =>
  serverSentEvent({ event: 'closing', data: JSON.stringify({ reason }) });

/** The same for who takes each event for something else. */
export const closingComment = (reason: string): string => `: ${reason}\n\n`;

/** Takes an answer out of Fastify's hands and begins a stream of events. It is ended with all others of the server. */
export function openEventStream(
  reply: FastifyReply,
  streams: OpenStreams,
  lastWords = closingEvent,
): EventStream {
  const { raw } = reply;
  const set = Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)] as const);
  reply.hijack();
  // Who goes in the middle of a write is no fault of ours; `close` comes after it.
  raw.on('error', () => undefined);
  raw.writeHead(200, { ...Object.fromEntries(set), ...sseHeaders });
  raw.flushHeaders();
  const out = outletOf(raw);
  const end = (reason?: string): void => {
    if (!raw.writableEnded) raw.end(reason === undefined ? '' : lastWords(reason));
  };
  const remove = streams.add({ end });
  const gone$ = gone(reply);
  gone$.subscribe(remove);
  return {
    write: (bytes) => {
      if (!raw.writableEnded && !raw.destroyed) out.write(bytes);
    },
    get waiting() {
      return raw.writableLength;
    },
    // After a close no drain ever comes.
    drained$: merge(out.drained$, gone$).pipe(take(1)),
    end,
  };
}

/** How bytes get to the connection: always in the same way. */
interface Outlet {
  write(bytes: Uint8Array): void;
  readonly drained$: Observable<unknown>;
}

/**
 * Chunks go to the connection as they are, so that of bytes which are for many a chunk is made once, and each takes one call of the system. An
 * answer that waits behind another has no connection yet, and one in the old form of HTTP no chunks.
 */
function outletOf(raw: ServerResponse): Outlet {
  const { socket } = raw;
  if (socket === null || !raw.chunkedEncoding)
    return { write: (bytes) => raw.write(bytes), drained$: fromEvent(raw, 'drain') };
  return {
    write: (bytes) => socket.write(chunkOf(bytes)),
    drained$: fromEvent(socket, 'drain'),
  };
}

const chunks = new WeakMap<Uint8Array, Uint8Array>();
const lineEnd = Buffer.from('\r\n');

function chunkOf(bytes: Uint8Array): Uint8Array {
  const known = chunks.get(bytes);
  if (known !== undefined) return known;
  const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
  const chunk = Buffer.concat([size, bytes, lineEnd]);
  chunks.set(bytes, chunk);
  return chunk;
}

/** Keeps a stream alive until unsubscribed. */
export const keepAlive = (stream: EventStream): Observable<never> =>
  interval(keepAliveMs).pipe(
    tap(() => {
      if (stream.waiting === 0) stream.write(comment);
    }),
    ignoreElements(),
  );

const comment = Buffer.from(':\n\n');

/** Ends a stream that cannot go on. */
export function endStream(stream: EventStream, { raw, log }: FastifyReply, error: unknown): void {
  if (error instanceof TimeoutError) {
    log.info('a client of a stream took nothing for a minute');
    raw.destroy();
    return;
  }
  log.error({ err: error }, 'a stream could not go on');
  stream.end('the server could not go on; its log says why');
}
