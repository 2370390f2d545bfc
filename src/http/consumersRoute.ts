import type { FastifyInstance } from 'fastify';
import type { ConsumerStats } from '../streams/consumers.js';
import { answers } from './answerSchemas.js';
import type { ApiManager } from './apiManager.js';
import { apiRoute } from './apiRoute.js';

/** Serves what those who listen to a manager are doing, where the manager knows it. */
export function consumersRoute(app: FastifyInstance, { stats }: ApiManager): void {
  if (stats === undefined) return;
  app.get(
    '/consumers',
    apiRoute({
      operation: 'listConsumers',
      scope: 'resource:read',
      summary: 'Tell what the consumers of the lifecycle stream are doing: queues, lags, losses',
      answers: { 200: answers.consumers },
    }),
    (_, reply) => {
      void reply.send(Object.entries(stats()).map(consumerAnswer));
    },
  );
}

const consumerAnswer = ([consumer, stats]: readonly [string, ConsumerStats]): object => ({
  consumer,
  subscribers: stats.subscribers,
  max_queue_depth: stats.maxQueueDepth,
  high_water: stats.highWater,
  dropped: stats.dropped,
  lagged: stats.lagged,
  resumed: stats.resumed,
  thrown: stats.thrown,
  ...(stats.behind !== undefined && { behind: stats.behind }),
  ...(stats.labelled !== undefined && {
    labelled: stats.labelled.map(({ label, queueDepth, highWater, dropped, lagged }) => ({
      ...{ label, queue_depth: queueDepth, high_water: highWater, dropped, lagged },
    })),
  }),
});
