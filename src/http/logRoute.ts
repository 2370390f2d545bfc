import type { FastifyInstance, FastifyReply } from 'fastify';
import { concatWith, endWith, ignoreElements, last, merge, mergeMap, of, take, takeUntil, tap } from 'rxjs';
import type { LogLine, LogOptions } from '../lifecycle/logLine.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, paramOf, queryOf } from './apiRoute.js';
import { findInstance } from './findInstance.js';
import { gone, hasGone } from './gone.js';
import { logQuery } from './queries.js';
import { sendPacedLog } from './pacedLog.js';
import { closingComment, endStream, keepAlive, openEventStream } from './sse/openEventStream.js';
import { serverSentEvent } from './sse/serverSentEvent.js';

/**
 * Serves a log as server-sent events: each line as JSON in the `data` of one, as hypeman does. Comments come while it is quiet. Of a client that reads slowly no more
 * than a little waits here: the log is read on once it has read that.
 */
export function logRoute(app: FastifyInstance, context: ApiContext): void {
  const { manager, streams } = context;
  app.get(
    '/instances/:id/logs',
    apiRoute({
      operation: 'getInstanceLogs',
      scope: 'instance:read',
      summary: 'Read a log of an instance, and go on with it',
      params: ['id'],
      query: logQuery,
      answers: { 200: answers.logLines },
    }),
    (request, reply) => {
      const { tail = 100, follow = false, source } = queryOf(logQuery, request);
      streams.checkRoom();
      const options = { ...(source !== undefined && { source }) };
      // Whether there is such a log has to be known before the answer begins.
      const found$ = findInstance(manager, paramOf(request)).pipe(
        mergeMap(({ id }) =>
          manager.logs(id, { ...options, tail: 0 }).pipe(ignoreElements(), concatWith(of(id)), last()),
        ),
      );
      // Within the stream, so that what is thrown there is answered too.
      found$
        .pipe(
          tap((id) => {
            sendLog(context, reply, id, { ...options, tail, follow });
          }),
        )
        .subscribe({
          error: (error: unknown) => {
            void reply.send(error);
          },
        });
    },
  );
}

function sendLog(
  { manager, streams }: ApiContext,
  reply: FastifyReply,
  id: string,
  options: LogOptions,
): void {
  // Who has gone by now is heard of no more.
  if (hasGone(reply)) return;
  streams.checkRoom();
  const stream = openEventStream(reply, streams, closingComment);
  const textOf = ({ text }: LogLine): string => serverSentEvent({ data: JSON.stringify(text) });
  const sent$ = sendPacedLog({ manager, idOrName: id, options, sink: stream, textOf }).pipe(
    endWith(undefined),
  );
  merge(sent$, keepAlive(stream))
    .pipe(take(1), takeUntil(gone(reply)))
    .subscribe({
      next: () => {
        stream.end();
      },
      // The form of the stream has no words for a failure but a comment.
      error: (error: unknown) => {
        endStream(stream, reply, error);
      },
    });
}
