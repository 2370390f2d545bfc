import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { fromEvent, merge, type Observable, share, take } from 'rxjs';

/** Whether nobody is there any more to take an answer. */
export const hasGone = ({ raw, request }: FastifyReply): boolean =>
  raw.destroyed || request.raw.socket.destroyed;

/**
 * Emits once an answer is over, or nobody is there any more to take it. Of the second Node tells an answer nothing that waits behind another
 * on its connection, since it has no socket yet: so the connection is heard too, which bears any number of such. And it hears of no end
 * while a body waits to be read: so one that nobody has asked for is let go by.
 */
export function gone({ raw, request }: FastifyReply): Observable<unknown> {
  request.raw.resume();
  return merge(fromEvent(raw, 'close'), closeOf(request.raw.socket)).pipe(take(1));
}

const closes = new WeakMap<Socket, Observable<unknown>>();

/** By one listener, however many answers wait: Node warns of eleven. */
function closeOf(socket: Socket): Observable<unknown> {
  const close$ = closes.get(socket) ?? fromEvent(socket, 'close').pipe(share());
  closes.set(socket, close$);
  return close$;
}
