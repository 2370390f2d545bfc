import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Sends bytes as they are, and hears all that comes until the server ends. */
export async function exchange(address: string, ...pieces: readonly (string | Buffer)[]): Promise<string> {
  const socket = dial(address);
  const heard: Buffer[] = [];
  socket.on('data', (piece: Buffer) => heard.push(piece));
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'close');
  return Buffer.concat(heard).toString();
}

/** Connects to a server. A reset is an end like any other. */
export function dial(address: string): Socket {
  const { hostname, port } = new URL(address);
  return connect({ host: hostname, port: Number(port) }).on('error', () => undefined);
}

/** The head of a request, without the empty line after it. */
export const head = (method: string, path: string, ...headers: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'host: localhost', ...headers].join('\r\n');
