import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { filter, firstValueFrom, ReplaySubject, take } from 'rxjs';
import { createFrameCutter, stuff } from '../../../src/drivers/qemu/agentStuffing.js';

/** A frame as the agent is sent it, or sends it. */
export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

/** One connection of the host, as the agent sees it. */
export interface FakeConnection {
  /** Resolves with the next frame of a type that was not heard yet. */
  hear(type: number): Promise<Frame>;
  say(type: number, id?: number, body?: Buffer): void;
  /** Says what is no frame. */
  raw(bytes: Buffer): void;
  hangUp(): void;
  readonly closed: Promise<unknown>;
}

/** Plays an agent that says whatever it is told to. */
export interface FakeGuest {
  connection(): Promise<FakeConnection>;
  /** A connection that was greeted and attached to programs that go on. */
  attached(...ids: readonly number[]): Promise<FakeConnection>;
  close(): Promise<void>;
}

/** The eight bytes of a number. */
export const offset = (value: bigint | number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** Listens at a path. */
export async function startFakeGuest(path: string): Promise<FakeGuest> {
  const connections$ = new ReplaySubject<FakeConnection>(Infinity);
  const sockets: Socket[] = [];
  let taken = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    connections$.next(connectionOf(socket));
  });
  server.listen(path);
  await once(server, 'listening');

  const connection = (): Promise<FakeConnection> => {
    const wanted = (taken += 1);
    return firstValueFrom(
      connections$.pipe(
        filter((_, index) => index === wanted - 1),
        take(1),
      ),
    );
  };

  return {
    connection,
    attached: async (...ids) => {
      const made = await connection();
      const { body } = await made.hear(1);
      made.say(65, 0, body);
      await made.hear(2);
      const list = Buffer.alloc(ids.length * 4);
      for (const [index, id] of ids.entries()) list.writeUInt32LE(id, index * 4);
      made.say(66, 0, list);
      return made;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function connectionOf(socket: Socket): FakeConnection {
  const frames$ = new ReplaySubject<Frame>(Infinity);
  const heard = new Set<Frame>();
  const cutter = createFrameCutter();
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    for (const frame of cutter.take(bytes))
      if (frame !== undefined)
        frames$.next({ type: frame[0] ?? 0, id: frame.readUInt32LE(1), body: frame.subarray(9) });
  });
  return {
    hear: async (type) => {
      const frame = await firstValueFrom(
        frames$.pipe(filter((each) => each.type === type && !heard.has(each))),
      );
      heard.add(frame);
      return frame;
    },
    say: (type, id = 0, body = Buffer.alloc(0)) => {
      const header = Buffer.alloc(9);
      header[0] = type;
      header.writeUInt32LE(id, 1);
      header.writeUInt32LE(body.length, 5);
      socket.write(stuff(Buffer.concat([header, body])));
    },
    raw: (bytes) => socket.write(bytes),
    hangUp: () => socket.destroy(),
    closed: once(socket, 'close'),
  };
}
