import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { Observable, Subject } from 'rxjs';

/** Whether nobody is there any more to take an answer. */
export const hasGone = ({ raw, request }: FastifyReply): boolean =>
  raw.destroyed || request.raw.socket.destroyed;

/**
 * Emits once an answer is over, or nobody is there any more to take it. Of the second Node tells an answer nothing that waits behind another
 * on its connection, since it has no socket yet: so the connection is heard too, which bears any number of such. And it hears of no end
 * while a body waits to be read: so one that nobody has asked for is let go by.
 */
export function gone({ raw, request }: FastifyReply): Observable<void> {
  request.raw.resume();
  const closed$ = closeOf(request.raw.socket);
  // By hand: ten thousand may wait, and operators would hold more for each than all else does.
  return new Observable((subscriber) => {
    const end = (): void => {
      subscriber.next();
      subscriber.complete();
    };
    raw.once('close', end);
    subscriber.add(() => raw.off('close', end));
    subscriber.add(closed$.subscribe(end));
  });
}

const closes = new WeakMap<Socket, Observable<void>>();

/** By one listener, however many answers wait: Node warns of eleven. */
function closeOf(socket: Socket): Observable<void> {
  const known = closes.get(socket);
  if (known !== undefined) return known;
  const closed$ = new Subject<void>();
  socket.once('close', () => {
    closed$.next();
  });
  closes.set(socket, closed$);
  return closed$;
}
