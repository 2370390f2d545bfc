import type { FastifyReply } from 'fastify';
import { concat, defer, endWith, merge, type Observable, of, retry, take, takeUntil, throwError } from 'rxjs';
import { wireChange } from '../../codecs/wire/wireChange.js';
import { hasTag } from '../../lifecycle/errors.js';
import type { InstanceChange } from '../../lifecycle/instanceChange.js';
import { boundedMergeMap } from '../../streams/boundedMergeMap.js';
import type { InstanceFilter } from '../../streams/instanceFilter.js';
import type { ApiContext } from '../apiContext.js';
import { gone, hasGone } from '../gone.js';
import { cursorText } from '../../codecs/wire/cursorText.js';
import { roomFor } from '../sse/eventSink.js';
import { endStream, keepAlive, openEventStream } from '../sse/openEventStream.js';
import { serverSentEvent } from '../sse/serverSentEvent.js';

/** How many changes wait for a client that reads slowly; then it is sent the table again. */
const capacity = 256;

/** The name under which those who watch are counted. */
const consumer = 'http_watch';

/**
 * Answers with the table of instances, then its changes, for as long as the client stays: what `watch` emits. A client that reads slowly is
 * sent the whole table again once it has read what waits.
 */
export function sendTable(
  reply: FastifyReply,
  filter: InstanceFilter,
  { manager, streams }: ApiContext,
): void {
  if (hasGone(reply)) return;
  streams.checkRoom();
  const stream = openEventStream(reply, streams);
  const sendChange = (change: InstanceChange): Observable<never> => {
    stream.write(Buffer.from(changeText(change)));
    return roomFor(stream);
  };

  const sent$ = defer(() => manager.watch(consumer, filter)).pipe(
    boundedMergeMap(sendChange, { capacity, overflow: 'fail' }),
    retry({
      delay: (error: unknown) =>
        hasTag(error, 'SubscriberLagged') ? concat(roomFor(stream), of(undefined)) : throwError(() => error),
    }),
    endWith('end' as const),
  );
  merge(sent$, keepAlive(stream))
    .pipe(take(1), takeUntil(gone(reply)))
    .subscribe({
      next: () => {
        stream.end('the manager has closed');
      },
      error: (error: unknown) => {
        endStream(stream, reply, error);
      },
    });
}

function changeText(change: InstanceChange): string {
  const place = 'event' in change ? change.event : 'cursor' in change ? change.cursor : undefined;
  return serverSentEvent({
    ...(place && { id: cursorText(place) }),
    data: JSON.stringify(wireChange.encode(change)),
  });
}
