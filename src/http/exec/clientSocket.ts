import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import { interval, type Observable, Subject, take, timer } from 'rxjs';
import type { OpenStreams } from '../openStreams.js';

/** Hears what a client says. What it throws ends the conversation. */
export interface ClientHearer {
  /** A text; the first has to come soon. */
  text(message: Buffer): void;
  bytes(message: Buffer): void;
  /** Says something, so that the client knows that the server is there; absent where its language has no word for that. */
  alive?(): void;
}

/** A client at the other end of a WebSocket. */
export interface ClientSocket {
  /** Sends text or bytes; resolves once the connection has taken it, or is gone. Waits as long as the client takes nothing. */
  send(message: string | Uint8Array): Promise<void>;
  close(code: CloseCode, reason: string): void;
  /** Hears nothing more until `resume`; what the client sends waits on its side. */
  pause(): void;
  resume(): void;
  /** Emits once the client is gone, or is told to go. */
  readonly gone$: Observable<unknown>;
}

/** Codes of RFC 6455: it is done; the server stops; what was said breaks the rules; the server failed. */
export type CloseCode = 1000 | 1001 | 1008 | 1011;

const keepAliveMs = 15_000;
/** One of which nothing is heard for so long has gone without a word, or takes nothing. */
const mostSilences = 4;
const firstWordMs = 10_000;

/** Talks with a client until it goes; ended with all open streams of the server, and counted as one. */
export function openClientSocket(
  socket: WebSocket,
  request: FastifyRequest,
  streams: OpenStreams,
  hearer: ClientHearer,
): ClientSocket {
  const gone$ = new Subject<void>();
  let silences = 0;

  const close = (code: CloseCode, reason: string): void => {
    // It hears the client say goodbye.
    socket.resume();
    socket.close(code, reason);
    gone$.next();
  };
  const heard = (hear: () => void): void => {
    silences = 0;
    try {
      hear();
    } catch (error) {
      request.log.info({ err: error }, 'a client of a WebSocket broke the rules');
      close(1008, 'this is not understood');
    }
  };

  const late = timer(firstWordMs).subscribe(() => {
    close(1008, 'nothing was asked for');
  });
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (socket.readyState !== socket.OPEN) return;
    late.unsubscribe();
    heard(() => {
      if (isBinary) hearer.bytes(data);
      else hearer.text(data);
    });
  });
  socket.on('pong', () => {
    heard(() => undefined);
  });
  const aliveness = interval(keepAliveMs).subscribe(() => {
    // Who is not listened to can't be heard.
    silences = socket.isPaused ? 0 : silences + 1;
    if (silences > mostSilences) {
      request.log.info('a client of a WebSocket said and took nothing for a minute');
      socket.terminate();
      return;
    }
    socket.ping();
    hearer.alive?.();
  });
  const remove = streams.add({
    end: (reason) => {
      close(1001, reason);
    },
  });
  socket.once('close', () => {
    late.unsubscribe();
    aliveness.unsubscribe();
    remove();
    gone$.next();
  });

  return {
    send: (message) =>
      new Promise((resolve) => {
        // Its error says that the client is gone.
        socket.send(message, () => {
          resolve();
        });
      }),
    close,
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    gone$: gone$.pipe(take(1)),
  };
}
