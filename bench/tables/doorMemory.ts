import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { startDoorLoad } from '../harness/doorLoad.js';
import { heap } from '../harness/heap.js';

const [silent, speaking] = ['a silent client', 'a client that has said 1 MiB'];
const clients = 1_000;

/** A server in this process that has clients wait. */
interface Waiting {
  readonly port: number;
  /** Whether so many are there, and no more is read of them. */
  isFull(bytes: number): boolean;
  close(): Promise<void>;
}

/** Each time in a server of its own: one that has read of a client what it may does not see it go. */
const stage = (row: Row, open: () => Promise<Waiting>): Session => {
  const bytes = row === silent ? 0 : 2 ** 20;
  const fill = async (): Promise<number> => {
    const { port, isFull, close } = await open();
    const load = startDoorLoad();
    const before = await heap();
    await load.ask({ kind: 'stay', port, connections: clients, bytes });
    while (!isFull(bytes)) await new Promise((turn) => setTimeout(turn, 5));
    const grown = (await heap()) - before;
    load.end();
    await close();
    return grown / clients;
  };
  return {
    check: async () => {
      await fill();
    },
    sample: fill,
  };
};

const ours: Contender = {
  name: 'ours',
  open: (row) =>
    stage(row, async () => {
      const manager = await openManager({ drivers: [createMemoryDriver()] });
      // It is never ready, so that whoever comes waits.
      const readiness = { kind: 'tcp', port: 80 } as const;
      await firstValueFrom(manager.create({ name: 'web', image: 'any', ports: [{ guest: 80 }], readiness }));
      const { port } = await firstValueFrom(manager.endpoint('web', 80));
      return {
        port,
        isFull: (bytes) => {
          const stats = manager.doorStats?.();
          assert.ok(stats !== undefined, 'there is a front door');
          return stats.waiting === clients && stats.heldBytes >= Math.min(bytes, 16_384) * clients;
        },
        close: () => manager.close(),
      };
    }),
};

const sockets: Contender = {
  name: 'sockets alone',
  open: (row) =>
    stage(row, async () => {
      const accepted = new Set<Socket>();
      const server = createServer({ pauseOnConnect: true }, (socket) => {
        accepted.add(socket);
        // Read as far as Node does of itself, to see them go.
        socket.on('error', () => undefined).on('close', () => accepted.delete(socket));
        if (row === silent) socket.resume();
        else socket.on('readable', () => undefined);
      });
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
      await once(server, 'listening');
      return {
        port: (server.address() as AddressInfo).port,
        isFull: (bytes) =>
          accepted.size === clients &&
          (bytes === 0 || [...accepted].every(({ readableLength }) => readableLength > 0)),
        close: async () => {
          for (const socket of accepted) socket.destroy();
          server.close();
          await once(server, 'close');
        },
      };
    }),
};

/** What clients hold of our memory while their instance wakes. */
export const doorMemory: Bench = {
  name: 'door-memory',
  title: 'Memory of a client that waits',
  unit: 'bytes',
  rowsAre: 'what',
  rows: [silent, speaking],
  rounds: 3,
  contenders: [ours, sockets],
  goals: [
    { what: silent, of: { contender: ours.name, row: silent }, atMost: 16_384 },
    { what: speaking, of: { contender: ours.name, row: speaking }, atMost: 16_384 + 65_536 + 16_384 },
  ],
  about:
    'What the heap, and the buffers beside it, grew by for each of 1,000 clients that wait at the front door for an instance that is not ready, and are read until 16 KiB of each are held: the last piece may go beyond by 64 KiB. Beside it as many accepted sockets of Node that nobody reads.',
};
