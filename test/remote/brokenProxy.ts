import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { asyncScheduler } from 'rxjs';

/** A proxy of TCP that hurts what goes through it. */
export interface BrokenProxy extends AsyncDisposable {
  readonly address: string;
  /** How many connections it has cut. */
  readonly cuts: number;
  /** Cuts all that go through it now. */
  cut(): void;
  close(): Promise<void>;
}

/** What becomes of a connection: cut after so many bytes of the answer, each piece late by so many milliseconds; or nothing. */
export type Fate = { readonly cutAfter: number; readonly delayMs: number } | undefined;

/** Opens a proxy before an address; `next` tells the fate of each connection. */
export async function openBrokenProxy(to: string, next: () => Fate): Promise<BrokenProxy> {
  const { hostname, port } = new URL(to);
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const fate = next();
    const upstream = connect(Number(port), hostname);
    const both = [client, upstream];
    const cut = (): void => {
      for (const socket of both) socket.destroy();
    };
    for (const socket of both) {
      open.add(socket);
      socket.on('error', cut).on('close', () => {
        open.delete(socket);
        cut();
      });
    }
    client.pipe(upstream);
    let left = fate?.cutAfter ?? Infinity;
    upstream.on('data', (bytes: Buffer) => {
      const part = bytes.subarray(0, Math.min(left, bytes.length));
      left -= part.length;
      const pass = (): void => {
        if (client.destroyed) return;
        if (part.length === bytes.length) client.write(part);
        else {
          cuts += 1;
          client.end(part, cut);
        }
      };
      // Node keeps timers of one length in their order.
      if (fate === undefined || fate.delayMs === 0) pass();
      else asyncScheduler.schedule(pass, fate.delayMs);
    });
    upstream.on('end', () => client.end());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cutAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  const close = async (): Promise<void> => {
    server.close();
    cutAll();
    await once(server, 'close');
  };
  return {
    address: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    get cuts() {
      return cuts;
    },
    cut: cutAll,
    close,
    [Symbol.asyncDispose]: close,
  };
}
