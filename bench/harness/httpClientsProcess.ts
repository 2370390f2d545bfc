/** Clients of a server in a process of their own, asked over IPC. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { answerAsked } from './askedProcess.js';
import { type ClientsQuestion, readerToken } from './httpClients.js';
import { type OrderOfEvents, orderOfEvents } from './orderOfEvents.js';

interface Reader {
  readonly response: IncomingMessage;
  readonly order: OrderOfEvents;
}

const headers = { authorization: `Bearer ${readerToken()}` };
/** How long one of those who read slowly sleeps after each piece, of which none has more than 64 KiB. */
const sleepMs = 2_000;
let readers: readonly Reader[] = [];
let mayAllRead = false;
let asleep: ReturnType<typeof setTimeout>[] = [];
const waits = new Agent({ maxSockets: Infinity });

const asked = (port: number, path: string, agent: Agent | false = false): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent }, resolve).on('error', reject);
  });

async function follow({ port, clients, slow }: ClientsQuestion & { kind: 'follow' }): Promise<number> {
  mayAllRead = false;
  const all: Reader[] = [];
  for (let index = 0; index < clients; index += 1) {
    const response = await asked(port, '/events');
    assert.equal(response.statusCode, 200);
    const reader = { response, order: orderOfEvents() };
    all.push(reader);
    const isSlow = slow !== 'none' && index % 10 === 9;
    if (isSlow && slow === 'read nothing') continue;
    read(reader, isSlow);
  }
  readers = all;
  return clients;
}

function read({ response, order }: Reader, isSlow: boolean): void {
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    order.take(chunk);
    if (!isSlow || mayAllRead) return;
    response.pause();
    asleep.push(setTimeout(() => response.resume(), sleepMs));
  });
}

async function hear(events: number): Promise<number> {
  mayAllRead = true;
  for (const timer of asleep) clearTimeout(timer);
  asleep = [];
  for (const reader of readers) {
    if (reader.response.listenerCount('data') === 0) read(reader, false);
    reader.response.resume();
  }
  const lacking = (): Reader | undefined => readers.find(({ order }) => order.heard < events);
  for (let next = lacking(); next !== undefined; next = lacking()) await once(next.response, 'data');
  assert.ok(
    readers.every(({ order }) => order.heard === events),
    'no event comes that nobody sent',
  );
  return readers.filter(({ order }) => order.lags > 0).length;
}

function leave(): number {
  for (const { response } of readers) response.destroy();
  const left = readers.length;
  readers = [];
  return left;
}

async function request(question: ClientsQuestion & { kind: 'request' }): Promise<number> {
  const { port, path, connections, times } = question;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const one = async (): Promise<void> => {
    for (let index = 0; index < times / connections; index += 1) {
      const response = await asked(port, path, agent);
      assert.equal(response.statusCode, 200);
      response.resume();
      await once(response, 'end');
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, one));
  const took = performance.now() - startedAt;
  agent.destroy();
  return (took / times) * 1e6;
}

/** A place in the log of the server. */
async function placeOf(port: number, sequence: number): Promise<string> {
  const response = await asked(port, '/events?limit=1');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { cursor } = JSON.parse(String(Buffer.concat(chunks))) as { readonly cursor: string };
  return `${cursor.split(':')[0] ?? ''}:${String(sequence)}`;
}

async function readAll({ port, events, after, into }: ClientsQuestion & { kind: 'read' }): Promise<number> {
  const path = after === undefined ? '/events' : `/events?after=${await placeOf(port, after)}`;
  const startedAt = performance.now();
  const response = await asked(port, path);
  assert.equal(response.statusCode, 200);
  const order = orderOfEvents();
  const had: Buffer[] = [];
  for await (const chunk of response) {
    order.take(chunk as Buffer);
    if (into !== undefined) had.push(chunk as Buffer);
    if (order.heard >= events) break;
  }
  assert.ok(order.heard >= events, 'all of them come');
  const took = performance.now() - startedAt;
  if (into !== undefined) writeFileSync(into, Buffer.concat(had));
  return (took / events) * 1e6;
}

async function wait({ port, path, waits: count }: ClientsQuestion & { kind: 'wait' }): Promise<number> {
  for (let begun = 0; begun < count; begun += 100) {
    const some = Array.from({ length: Math.min(100, count - begun) }, async () => {
      const waiting = get({ host: '127.0.0.1', port, path, headers, agent: waits });
      waiting.on('response', () => assert.fail('it waits on')).on('error', () => undefined);
      const [socket] = (await once(waiting, 'socket')) as [NodeJS.EventEmitter & { connecting: boolean }];
      if (socket.connecting) await once(socket, 'connect');
    });
    await Promise.all(some);
  }
  return count;
}

answerAsked(async (question: ClientsQuestion): Promise<number> => {
  switch (question.kind) {
    case 'follow':
      return follow(question);
    case 'hear':
      return hear(question.events);
    case 'leave':
      return leave();
    case 'request':
      return request(question);
    case 'read':
      return readAll(question);
    case 'wait':
      return wait(question);
  }
});
