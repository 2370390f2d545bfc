import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  concatWith,
  defer,
  ignoreElements,
  last,
  mergeMap,
  of,
  Subject,
  Subscription,
  takeUntil,
  tap,
} from 'rxjs';
import type { LogOptions } from '../lifecycle/logLine.js';
import { answers } from './answerSchemas.js';
import type { ApiContext } from './apiContext.js';
import { apiRoute, paramOf, queryOf } from './apiRoute.js';
import { findInstance } from './findInstance.js';
import { logQuery } from './queries.js';
import { openSse, type SseAnswer } from './sseAnswer.js';

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

function sendLog({ manager, streams }: ApiContext, reply: FastifyReply, id: string, from: LogOptions): void {
  let reading = Subscription.EMPTY;
  let options = from;
  let isPaused = false;
  const pause$ = new Subject<undefined>();

  const read = (sse: SseAnswer): void => {
    isPaused = false;
    reading = defer(() => manager.logs(id, options))
      // What is emitted within the subscribe can't be unsubscribed from otherwise.
      .pipe(takeUntil(pause$))
      .subscribe({
        next: ({ text, cursor }) => {
          const { tail, ...rest } = options;
          options = { ...rest, after: cursor };
          sse.write(`data: ${JSON.stringify(text)}\n\n`);
          if (sse.isRead) return;
          isPaused = true;
          pause$.next(undefined);
        },
        // The form of the stream has no words for a failure: it ends, as it does at its end.
        error: () => {
          sse.end();
        },
        complete: () => {
          if (!isPaused) sse.end();
        },
      });
  };

  const sse = openSse(reply, streams, {
    drained: () => {
      if (isPaused && sse !== undefined) read(sse);
    },
    over: () => {
      isPaused = true;
      reading.unsubscribe();
    },
  });
  if (sse !== undefined) read(sse);
}
