import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { agentFrames, type AgentMessage, readMessage } from './agentMessages.js';
import { createFrameCutter, stuff } from './agentStuffing.js';

/** A connection to the agent of a guest. */
export interface AgentConnection {
  /** Sends a frame, once the guest has greeted. */
  send(frame: Buffer): void;
  /** Closes it once all is sent. */
  end(): void;
  /** Closes it at once. */
  destroy(): void;
}

/** What comes of a connection; nothing does any more once it was closed here. */
export interface AgentListener {
  /** The guest is there, and what comes from now on is meant for this connection. */
  greeted(): void;
  /** False where it says what cannot be. */
  said(message: AgentMessage): boolean;
  /** The other end is gone. */
  lost(): void;
  /** What the guest says cannot be, or it reads nothing of all that it is sent. */
  broken(): void;
}

/** What waits for the guest to read it: all that the rings of its programs hold, twice. */
const mostWaiting = 32 * 1_024 * 1_024;

/**
 * Connects to the agent of a guest, which may not run by now. What is still on its way from an earlier connection is passed over: until
 * the guest says the random number again that it was sent.
 */
export function connectAgent(path: string, listener: AgentListener): AgentConnection {
  const nonce = randomBytes(16);
  const cutter = createFrameCutter();
  const socket = createConnection(path);
  let [isGreeted, isOver] = [false, false];

  const send = (frame: Buffer): void => {
    if (isOver) return;
    socket.write(stuff(frame));
    if (socket.writableLength > mostWaiting) abandon();
  };

  const abandon = (): void => {
    isOver = true;
    socket.destroy();
    listener.broken();
  };

  const take = (frame: Buffer | undefined): void => {
    const message = frame === undefined ? undefined : readMessage(frame);
    if (!isGreeted) {
      if (message?.kind !== 'hello' || !message.nonce.equals(nonce)) return;
      isGreeted = true;
      listener.greeted();
    } else if (message === undefined || !listener.said(message)) abandon();
  };

  // A machine that runs keeps nobody from his end.
  socket.unref();
  socket.on('error', () => {
    socket.destroy();
  });
  socket.on('data', (bytes) => {
    for (const frame of cutter.take(bytes)) if (!isOver) take(frame);
  });
  socket.on('close', () => {
    if (isOver) return;
    isOver = true;
    listener.lost();
  });
  // What the guest has half read of somebody else is over with this.
  socket.write(Buffer.of(0));
  send(agentFrames.hello(nonce));

  return {
    send,
    end: () => {
      isOver = true;
      socket.end();
    },
    destroy: () => {
      isOver = true;
      socket.destroy();
    },
  };
}
