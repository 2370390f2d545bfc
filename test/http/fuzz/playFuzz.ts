import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type Conversation, conversationsAbout, speak } from './conversation.js';
import type { Drawn } from './drawn.js';
import { type FuzzServer, type Held, startFuzzServer } from './fuzzServer.js';
import { names } from './valuesOf.js';
import { type ApiDocument, operationsOf } from './operations.js';
import { type Written, written } from './written.js';

/** How a server is asked. */
export interface FuzzOptions {
  /** The compiled form of the program that serves. */
  readonly program: string;
  /** How many requests are sent. */
  readonly requests: number;
  /** The same one asks for the same. */
  readonly seed: number;
  /** How many connections are open at once. @defaultValue 64 */
  readonly connections?: number;
  /** Hears how far it is. */
  readonly onProgress?: (sent: number, held: Held) => void;
}

/** What came of it. */
export interface FuzzReport {
  readonly requests: number;
  readonly connections: number;
  /** How many answers there were by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations that were never done, nor refused by an error of their own. */
  readonly neverDone: readonly string[];
  /** What was wrong, each kind once. */
  readonly findings: readonly string[];
  readonly before: Held;
  readonly after: Held;
}

/** So many conversations are drawn at once; after them, what there is on the server is removed. */
const batch = 400;
const mostFindings = 20;

/** Asks servers for whatever can be asked for by the document that they serve, and judges what they say. */
export async function playFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const server = await startFuzzServer(options.program);
  try {
    return await playOn(server, options);
  } finally {
    server.kill();
  }
}

async function playOn(
  server: FuzzServer,
  { requests, seed, connections = 64, onProgress }: FuzzOptions,
): Promise<FuzzReport> {
  const [open] = server.serving.ports;
  const client = clientOf(open);
  const operations = operationsOf((await client('GET', '/openapi.json')) as ApiDocument);
  const conversations = conversationsAbout(operations);
  const findings = new Map<string, string>();
  const statuses: Record<string, number> = {};
  const done = new Set<string>();
  let [sent, spoken] = [0, 0];
  let snapshots: readonly string[] = [];

  const write = ({ requests: drawn, door }: Conversation): readonly Written[] =>
    [...drawn.filter(isPrompt), ...drawn.filter((each) => !isPrompt(each))].map((each) => {
      sent += 1;
      return written(each, { token: tokenOf(server, door), snapshots, id: `q${String(sent)}` });
    });
  const play = async (conversation: Conversation): Promise<void> => {
    const all = write(conversation);
    spoken += 1;
    const port = server.serving.ports[conversation.door < 256 ? 0 : 1];
    const { heard, fault } = await speak(port, all, conversation);
    for (const [index, { status }] of heard.entries()) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      const request = all[index];
      if (request?.isFramed === true && (status < 300 || status === 501)) done.add(request.operation.name);
    }
    if (fault === undefined) return;
    const kind = fault.replace(/\d+/g, '#').slice(0, 200);
    if (!findings.has(kind)) findings.set(kind, describe(fault, conversation, all, server));
  };

  await clear(client);
  const before = await server.look();
  for (let round = 0; sent < requests && server.isAlive() && findings.size < mostFindings; round += 1) {
    if (round % 4 === 0) await fill(client);
    snapshots = idsOf(await client('GET', '/snapshots'));
    const drawn = fc.sample(conversations, { numRuns: batch, seed: seed + round });
    const lane = async (): Promise<void> => {
      for (let next = drawn.pop(); next !== undefined && sent < requests; next = drawn.pop())
        await play(next);
    };
    await Promise.all(Array.from({ length: connections }, lane));
    if (!server.isAlive()) break;

    if (round % 4 === 3) await clear(client);
    if (round % 4 === 3) onProgress?.(sent, await server.look());
  }

  if (!server.isAlive())
    findings.set('end', `the process of the server has ended\n${server.troubles.join('\n')}`);
  const after = server.isAlive() ? await settled(server, client, before) : before;
  const left = leftOf(before, after);
  if (left !== undefined) findings.set('left', left);
  if (server.isAlive() && !(await server.close()))
    findings.set('open', 'closed, its process did not end by itself');
  for (const trouble of server.troubles) findings.set(trouble.slice(0, 200), trouble);
  return {
    ...{ requests: sent, connections: spoken, statuses, before, after },
    neverDone: operations.map(({ name }) => name).filter((name) => !done.has(name)),
    findings: [...findings.values()],
  };
}

const isPrompt = ({ operation }: Drawn): boolean => !operation.takesTime;

/** Whom the one that wants a token is asked by: mostly by who may do all. */
function tokenOf({ serving: { tokens } }: FuzzServer, door: number): string | undefined {
  if (door < 256) return undefined;
  const [reader, all, late] = tokens;
  return [reader, late, undefined, all, all, all, all, all][door % 8];
}

type Client = (method: string, path: string, body?: object) => Promise<unknown>;

const clientOf =
  (port: number): Client =>
  async (method, path, body) => {
    const headers = { connection: 'close', ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
      ...{ method, headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  };

const idsOf = (all: unknown): readonly string[] =>
  (all as readonly { readonly id: string }[]).map(({ id }) => id);

/** Sees to it that there is something to ask about. */
async function fill(client: Client): Promise<void> {
  for (const name of names.slice(1)) await client('POST', '/instances', { name, image: 'any' });
  await client('POST', '/instances/db/standby', {});
  for (let count = 0; count < 4; count += 1)
    await client('POST', '/instances/db/snapshots', { kind: 'Standby' });
}

/** Removes whatever there is. */
async function clear(client: Client): Promise<void> {
  for (const path of ['/webhooks', '/snapshots', '/instances'])
    for (const id of idsOf(await client('GET', path))) await client('DELETE', `${path}/${id}`);
}

/** What a server has not let go of by then it holds for ever: it has given up half a request long before. */
const lettingGoMs = 10_000;

async function settled(server: FuzzServer, client: Client, before: Held): Promise<Held> {
  const deadline = performance.now() + lettingGoMs;
  for (;;) {
    await clear(client);
    const held = await server.look();
    if (leftOf(before, held) === undefined || performance.now() > deadline) return held;
    await turn();
  }
}

/** What is held that was not at the beginning. */
function leftOf(before: Held, after: Held): string | undefined {
  const { connections, resources, subscribers, queued } = after;
  const more = Object.entries(subscribers).filter(([name, count]) => count > (before.subscribers[name] ?? 0));
  const others = [...before.resources];
  const kept = resources.filter((kind) => {
    const index = others.indexOf(kind);
    if (index !== -1) others.splice(index, 1);
    return index === -1;
  });
  if (connections + queued + more.length + kept.length === 0) return undefined;
  return `left behind: ${JSON.stringify({ connections, queued, subscribers: Object.fromEntries(more), resources: kept })}`;
}

function describe(
  fault: string,
  { manner, door }: Conversation,
  requests: readonly Written[],
  { log, troubles }: FuzzServer,
): string {
  const asked = requests.map(({ bytes }) => JSON.stringify(bytes.toString('latin1', 0, 700)));
  return [
    fault,
    `asked (${manner}, door ${String(door)}):`,
    ...asked.map((each) => `  ${each}`),
    ...[...log, ...troubles].map((line) => `  log: ${line.slice(0, 1_500)}`),
  ].join('\n');
}
