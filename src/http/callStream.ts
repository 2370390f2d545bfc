import type { FastifyReply } from 'fastify';
import { endWith, ignoreElements, merge, mergeMap, type Observable, take, takeUntil, timer } from 'rxjs';
import type { ApiContext } from './apiContext.js';
import { failureBody } from './failureBody.js';
import { gone, hasGone } from './gone.js';
import type { EventSink } from './sse/eventSink.js';
import { type EventStream, keepAlive, openEventStream } from './sse/openEventStream.js';
import { serverSentEvent } from './sse/serverSentEvent.js';

/** What a call sends as it comes: the stream is opened by the first that asks something of it. */
export interface CallSink extends EventSink {
  send(event: 'line' | 'value', data: unknown): void;
}

/** A call that fails within this time is answered with a status; then the stream begins, so that its client knows that it goes on. */
const openAfterMs = 1_000;

/**
 * Answers with server-sent events: what `begin` sends, then `done`, or `failed` with the body of an error. The end of the connection ends it,
 * and so does the end of the server, of which `closing` tells.
 */
export function answerStream(
  reply: FastifyReply,
  { streams }: ApiContext,
  begin: (sink: CallSink) => Observable<unknown>,
): void {
  if (hasGone(reply)) return;
  streams.checkRoom();
  let opened: EventStream | undefined;
  const stream = (): EventStream => (opened ??= openEventStream(reply, streams));
  const send = (event: string, data: unknown): void => {
    stream().write(Buffer.from(serverSentEvent({ event, data: JSON.stringify(data) })));
  };
  const sink: CallSink = {
    send,
    write: (bytes) => {
      stream().write(bytes);
    },
    get waiting() {
      return stream().waiting;
    },
    get drained$() {
      return stream().drained$;
    },
  };
  const sent$ = begin(sink).pipe(ignoreElements(), endWith(undefined));
  const alive$ = timer(openAfterMs).pipe(mergeMap(() => keepAlive(stream())));
  merge(sent$, alive$)
    .pipe(take(1), takeUntil(gone(reply)))
    .subscribe({
      next: () => {
        send('done', {});
        stream().end();
      },
      error: (error: unknown) => {
        if (opened === undefined) {
          void reply.send(error);
          return;
        }
        send('failed', failureBody(error, reply.log));
        opened.end();
      },
    });
}
