import { once } from 'node:events';
import { WebSocket } from 'ws';
import { until } from '../../support/until.js';

/** A client of a WebSocket, and what it was told. */
export interface Talk {
  readonly socket: WebSocket;
  readonly texts: readonly string[];
  /** Bytes that have come, as text. */
  bytes(): string;
  /** Comes once bytes have come that are this. */
  untilBytes(expected: string): Promise<void>;
  /** Code and reason with which the server closed it. */
  readonly closed: Promise<readonly [code: number, reason: string]>;
}

export interface TalkOptions {
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Opens a WebSocket to a path of a server. Rejects with its status where that refuses. */
export async function openTalk(
  address: string,
  path: string,
  { protocols = [], headers = {} }: TalkOptions = {},
): Promise<Talk> {
  const socket = new WebSocket(`${address.replace(/^http/, 'ws')}${path}`, [...protocols], { headers });
  const texts: string[] = [];
  const pieces: Buffer[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) pieces.push(data);
    else texts.push(data.toString());
  });
  const closed = once(socket, 'close').then(
    ([code, reason]) => [code as number, String(reason as Buffer)] as const,
  );
  closed.catch(() => undefined);
  await once(socket, 'open');
  // What is cut off afterwards is told by its close.
  socket.on('error', () => undefined);
  const bytes = (): string => Buffer.concat(pieces).toString();
  return {
    ...{ socket, texts, bytes, closed },
    untilBytes: async (expected) => {
      expect(await until(bytes, (text) => text === expected)).toBe(expected);
    },
  };
}
