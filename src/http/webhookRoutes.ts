import type { FastifyInstance } from 'fastify';
import { map } from 'rxjs';
import type { Webhook, Webhooks } from '../instances/webhooks.js';
import { answer, answerDone } from './answer.js';
import { answers } from './answerSchemas.js';
import { apiRoute, bodyOf, paramOf } from './apiRoute.js';
import {
  rotationBody,
  rotationRequestOf,
  webhookBody,
  webhookRequestOf,
  webhookView,
} from './webhookBodies.js';

const written = (webhook: Webhook): string => JSON.stringify(webhookView(webhook));

/** Serves the endpoints to which events are sent. */
export function webhookRoutes(app: FastifyInstance, webhooks: Webhooks): void {
  app.get(
    '/webhooks',
    apiRoute({
      operation: 'listWebhooks',
      scope: 'webhook:read',
      summary: 'List the endpoints to which events are sent',
      answers: { 200: answers.webhooks },
    }),
    (_, reply) => {
      answer(reply, webhooks.list().pipe(map((all) => JSON.stringify(all.map(webhookView)))));
    },
  );

  app.post(
    '/webhooks',
    apiRoute({
      operation: 'addWebhook',
      scope: 'webhook:write',
      summary: 'Send events to an endpoint from now on; its secret is told in this answer only',
      body: webhookBody,
      answers: { 201: answers.webhook },
    }),
    (request, reply) => {
      const asked = webhookRequestOf(bodyOf(webhookBody, request));
      answer(reply, webhooks.add(asked).pipe(map(written)), 201);
    },
  );

  app.get(
    '/webhooks/:id',
    apiRoute({
      operation: 'getWebhook',
      scope: 'webhook:read',
      summary: 'Tell of an endpoint, and how it stands with it',
      params: ['id'],
      answers: { 200: answers.webhook },
    }),
    (request, reply) => {
      answer(reply, webhooks.get(paramOf(request)).pipe(map(written)));
    },
  );

  app.delete(
    '/webhooks/:id',
    apiRoute({
      operation: 'removeWebhook',
      scope: 'webhook:delete',
      summary: 'Forget an endpoint',
      params: ['id'],
      answers: { 204: answers.done },
    }),
    (request, reply) => {
      answerDone(reply, webhooks.remove(paramOf(request)));
    },
  );

  app.post(
    '/webhooks/:id/rotate',
    apiRoute({
      operation: 'rotateWebhookSecret',
      scope: 'webhook:write',
      summary: 'Sign by a new secret, and for some time by those from before; it is told in this answer only',
      params: ['id'],
      body: rotationBody,
      answers: { 200: answers.webhook },
    }),
    (request, reply) => {
      const asked = rotationRequestOf(bodyOf(rotationBody, request));
      answer(reply, webhooks.rotate(paramOf(request), asked).pipe(map(written)));
    },
  );

  app.post(
    '/webhooks/:id/enable',
    apiRoute({
      operation: 'enableWebhook',
      scope: 'webhook:write',
      summary: 'Send again to an endpoint that was disabled, from where it was',
      params: ['id'],
      answers: { 200: answers.webhook },
    }),
    (request, reply) => {
      answer(reply, webhooks.enable(paramOf(request)).pipe(map(written)));
    },
  );
}
