import type { FastifyReply } from 'fastify';
import { fromEvent, merge, take, TimeoutError } from 'rxjs';
import type { OpenStreams } from '../openStreams.js';
import type { EventSink } from './eventSink.js';
import { serverSentEvent } from './serverSentEvent.js';

/** An answer that is a stream of events. */
export interface EventStream extends EventSink {
  /** Ends it; its client is told why. */
  end(reason: string): void;
}

const sseHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // A proxy that collects answers would hold back what should come at once.
  'x-accel-buffering': 'no',
} as const;

/** Takes an answer out of Fastify's hands and begins a stream of events. It is ended with all others of the server. */
export function openEventStream(reply: FastifyReply, streams: OpenStreams): EventStream {
  const { raw } = reply;
  const set = Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)] as const);
  reply.hijack();
  // Who goes in the middle of a write is no fault of ours; `close` comes after it.
  raw.on('error', () => undefined);
  raw.writeHead(200, { ...Object.fromEntries(set), ...sseHeaders });
  raw.flushHeaders();
  const end = (reason: string): void => {
    if (raw.writableEnded) return;
    raw.end(serverSentEvent({ event: 'closing', data: JSON.stringify({ reason }) }));
  };
  raw.once('close', streams.add({ end }));
  return {
    write: (bytes) => {
      if (!raw.writableEnded && !raw.destroyed) raw.write(bytes);
    },
    get waiting() {
      return raw.writableLength;
    },
    // After a close no drain ever comes.
    drained$: merge(fromEvent(raw, 'drain'), fromEvent(raw, 'close')).pipe(take(1)),
    end,
  };
}

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
