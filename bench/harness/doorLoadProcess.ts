/**
 * A server, or its clients, in a process of their own, asked over IPC. The first byte of a client says what it is for: `U` is followed
 * by what is swallowed, and answered by `k` at its end; `D` and a number by as many bytes; all after `E` comes back.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { LoadAnswer, LoadQuestion } from './doorLoad.js';

const piece = Buffer.alloc(65_536, 'x');
const mebibyte = 2 ** 20;

async function pour(socket: Socket, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!socket.write(piece)) await once(socket, 'drain');
  }
}

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.once('data', (first) => {
    const kind = String(first.subarray(0, 1));
    if (kind === 'U') {
      socket.on('end', () => socket.end('k'));
    } else if (kind === 'D') {
      void pour(socket, Number(String(first.subarray(1)))).then(() => socket.end());
    } else {
      socket.write(first.subarray(1));
      socket.pipe(socket);
    }
  });
}

const listen = async (): Promise<number> => {
  const server = createServer({ allowHalfOpen: true }, serve);
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const dial = (port: number): Socket => connect({ port, host: '127.0.0.1', noDelay: true });

/** Sends so many bytes and waits until all have come. */
async function up(port: number, bytes: number): Promise<void> {
  const socket = dial(port);
  const told = once(socket, 'data');
  socket.write('U');
  await pour(socket, bytes);
  socket.end();
  assert.equal(String((await told)[0]), 'k');
  socket.destroy();
}

/** Has so many bytes sent to it. */
async function down(port: number, bytes: number): Promise<void> {
  const socket = dial(port);
  let got = 0;
  socket.on('data', (some) => (got += some.length));
  socket.write(`D${String(bytes)}`);
  await once(socket, 'end');
  assert.equal(got, bytes);
  socket.destroy();
}

/** Connects, has one byte sent back, and ends. */
async function greet(port: number): Promise<void> {
  const socket = dial(port);
  const told = once(socket, 'data');
  socket.write('Ex');
  assert.equal(String((await told)[0]), 'x');
  socket.end();
  await once(socket, 'close');
}

async function each(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

/** The nanoseconds of small requests, one after another, the quickest first. */
async function requests(port: number, times: number): Promise<readonly number[]> {
  const socket = dial(port);
  const request = Buffer.alloc(100, 'r');
  socket.write('E');
  const took: number[] = [];
  for (let index = 0; index < times; index += 1) {
    const startedAt = performance.now();
    const told = once(socket, 'data');
    socket.write(request);
    await told;
    took.push((performance.now() - startedAt) * 1e6);
  }
  socket.destroy();
  return took.sort((one, other) => one - other);
}

async function timeOf(work: () => Promise<unknown>, times: number): Promise<number> {
  const startedAt = performance.now();
  await work();
  return ((performance.now() - startedAt) / times) * 1e6;
}

async function answer(question: LoadQuestion): Promise<number> {
  switch (question.kind) {
    case 'listen':
      return listen();
    case 'up':
    case 'down': {
      const { connections, mebibytes, port, kind } = question;
      const bytes = (mebibytes * mebibyte) / connections;
      const one = kind === 'up' ? up : down;
      return timeOf(() => each(connections, () => one(port, bytes)), mebibytes);
    }
    case 'connect': {
      const { connections, atOnce, port } = question;
      const some = async (): Promise<void> => {
        for (let index = 0; index < connections / atOnce; index += 1) await greet(port);
      };
      return timeOf(() => each(atOnce, some), connections);
    }
    case 'stay': {
      const { connections, port, bytes } = question;
      await each(connections, async () => {
        const socket = dial(port);
        await once(socket, 'connect');
        if (bytes > 0) socket.write(Buffer.alloc(bytes, 'x'));
      });
      return connections;
    }
    case 'request': {
      const took = await requests(question.port, question.times);
      return took[Math.floor(took.length * question.quantile)] ?? NaN;
    }
  }
}

process.on('disconnect', () => process.exit());
process.on('message', (question: LoadQuestion) => {
  answer(question).then(
    (figure) => process.send?.({ figure } satisfies LoadAnswer),
    (error: unknown) => process.send?.({ failure: String(error) } satisfies LoadAnswer),
  );
});
