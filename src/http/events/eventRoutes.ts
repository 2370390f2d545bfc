import type { FastifyInstance } from 'fastify';
import { catchError, map, of, tap, throwError } from 'rxjs';
import { id as idCodec } from '../../codecs/id.js';
import { answerWhileThere } from '../answer.js';
import { answers } from '../answerSchemas.js';
import type { ApiContext } from '../apiContext.js';
import { apiRoute, paramOf, queryOf } from '../apiRoute.js';
import { tellFailure } from '../failureBody.js';
import { findInstance } from '../findInstance.js';
import { eventPage } from './eventPage.js';
import { eventQuery, eventSelection, logQuery, placeOf } from './eventQuery.js';
import type { FollowOptions } from './followEvents.js';
import { sendEvents } from './sendEvents.js';

/** Serves the lifecycle stream: of all instances, or of one. */
export function eventRoutes(app: FastifyInstance, context: ApiContext, options: FollowOptions): void {
  app.get(
    '/events',
    {
      ...apiRoute({
        operation: 'streamEvents',
        scope: 'instance:read',
        summary:
          'Stream what happens to instances, from now on or after a place; with `limit` a page of the log',
        query: logQuery,
        answers: { 200: answers.events },
      }),
      errorHandler: tellFailure,
    },
    (request, reply) => {
      const { limit, ...query } = queryOf(logQuery, request);
      const after = placeOf(request, query.after);
      const selection = eventSelection(query);
      if (limit === undefined) sendEvents({ request, reply, selection, after }, options, context);
      else answerWhileThere(reply, eventPage({ selection, after, limit }, options), context.streams);
    },
  );

  app.get(
    '/instances/:id/events',
    apiRoute({
      operation: 'streamInstanceEvents',
      scope: 'instance:read',
      summary: 'Stream what happens to an instance, from now on or after a place',
      params: ['id'],
      query: eventQuery,
      answers: { 200: answers.events },
    }),
    (request, reply) => {
      const query = queryOf(eventQuery, request);
      const after = placeOf(request, query.after);
      const idOrName = paramOf(request);
      const id$ = findInstance(context.manager, idOrName).pipe(
        map(({ id }) => id),
        // Of one that has been deleted the log still tells.
        catchError((error: unknown) =>
          after !== undefined && idCodec.is(idOrName) ? of(idOrName) : throwError(() => error),
        ),
      );
      // Within the stream, so that what is thrown there is answered too.
      id$
        .pipe(
          tap((id) => {
            sendEvents({ request, reply, selection: eventSelection(query, id), after }, options, context);
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
