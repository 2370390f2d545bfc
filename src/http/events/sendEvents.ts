import type { FastifyReply, FastifyRequest } from 'fastify';
import { catchError, type Observable, takeUntil, throwError } from 'rxjs';
import { wireError } from '../../codecs/wire/wireError.js';
import { type CursorExpired, hasTag } from '../../lifecycle/errors.js';
import type { Cursor } from '../../lifecycle/event.js';
import type { ApiContext } from '../apiContext.js';
import { gone, hasGone } from '../gone.js';
import { cursorText } from '../../codecs/wire/cursorText.js';
import { followEvents, type FollowOptions } from './followEvents.js';
import type { EventSelection } from './liveEvents.js';
import { endStream, type EventStream, openEventStream } from '../sse/openEventStream.js';
import { serverSentEvent } from '../sse/serverSentEvent.js';

/** What is sent, and to whom. */
export interface EventAnswer {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly selection: EventSelection;
  readonly after: Cursor | undefined;
}

/**
 * Answers with the events of a selection, as they come and for as long as the client stays. Of a place that the log has not any more an
 * `EventSource`, which a status would end for good, is told by the event `cursor_expired`, and then sent what comes from then on;
 * another client by the status 410, if the answer has not begun.
 */
export function sendEvents(answer: EventAnswer, options: FollowOptions, { streams }: ApiContext): void {
  const { request, reply, selection, after } = answer;
  // Who has gone by now is heard of no more.
  if (hasGone(reply)) return;
  streams.checkRoom();
  let stream: EventStream | undefined;
  const open = (): EventStream => (stream ??= openEventStream(reply, streams));

  const tellExpired = (error: CursorExpired): void => {
    const { head } = options.live;
    const data = JSON.stringify(wireError.encode(error));
    const text = serverSentEvent({ event: 'cursor_expired', ...(head && { id: cursorText(head) }), data });
    open().write(Buffer.from(text));
  };

  const fromNowOn = (error: unknown): Observable<never> => {
    if (!hasTag(error, 'CursorExpired') || (stream === undefined && !isEventSource(request)))
      return throwError(() => error);
    tellExpired(error);
    return followEvents({ ...selection, open }, options);
  };

  followEvents({ ...selection, after, open }, options)
    .pipe(catchError(fromNowOn), takeUntil(gone(reply)))
    .subscribe({
      error: (error: unknown) => {
        if (stream === undefined) void reply.send(error);
        else endStream(stream, reply, error);
      },
      complete: () => stream?.end('there is nothing more to tell: the manager has closed'),
    });
}

/** What a browser asks for when a page opens an `EventSource`. */
const isEventSource = ({ headers }: FastifyRequest): boolean =>
  headers.accept?.includes('text/event-stream') === true;
