import type { Socket } from 'node:net';

/**
 * Ends a connection at once: with RST, but for one that is just being ended with FIN, with nothing left to say. To reset such a one is
 * refused by libuv 1.46 (Node 20), and then it never closes, and Node hangs when it exits.
 */
export function resetSocket(socket: Socket): void {
  const isBeingShut = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isBeingShut) socket.destroy();
  else socket.resetAndDestroy();
}
