import type { FastifyReply } from 'fastify';
import { type Observable, Subscription, take, throwIfEmpty } from 'rxjs';
import { gone, hasGone } from './gone.js';
import type { OpenStreams } from './openStreams.js';
import { Refusal } from './refusal.js';

/** Answers with the JSON that is emitted, or with the error. What was begun goes on although its client has gone. */
export function answer(reply: FastifyReply, text$: Observable<string>, status = 200): void {
  text$.pipe(take(1), throwIfEmpty()).subscribe({
    next: (text) => {
      void reply.code(status).type('application/json; charset=utf-8').send(text);
    },
    error: (error: unknown) => {
      void reply.send(error);
    },
  });
}

/** The same for what nobody needs once its client has gone: that ends it, and so does the end of the server. */
export function answerWhileThere(reply: FastifyReply, text$: Observable<string>, streams: OpenStreams): void {
  if (hasGone(reply)) return;
  const subscription = new Subscription();
  const remove = streams.add({
    end: (reason) => {
      subscription.unsubscribe();
      void reply.send(new Refusal(503, 'unavailable', reason, { 'retry-after': '1' }));
    },
  });
  gone(reply).subscribe(() => {
    subscription.unsubscribe();
    remove();
  });
  subscription.add(
    text$.pipe(take(1), throwIfEmpty()).subscribe({
      next: (text) => {
        void reply.type('application/json; charset=utf-8').send(text);
      },
      error: (error: unknown) => {
        void reply.send(error);
      },
    }),
  );
}

/** Answers that it is done. */
export function answerDone(reply: FastifyReply, done$: Observable<unknown>): void {
  done$.pipe(take(1), throwIfEmpty()).subscribe({
    next: () => {
      void reply.code(204).send();
    },
    error: (error: unknown) => {
      void reply.send(error);
    },
  });
}
