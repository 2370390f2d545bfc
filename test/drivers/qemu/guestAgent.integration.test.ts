import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, type Subscription } from 'rxjs';
import { createGuestAgent, type GuestAgent } from '../../../src/drivers/qemu/guestAgent.js';
import type { ExecOutput, Execution } from '../../../src/lifecycle/execution.js';
import { type FakeConnection, type FakeGuest, offset, startFakeGuest } from './fakeGuest.js';

let home: string;
let guest: FakeGuest;
let agent: GuestAgent;
let links: Subscription[];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'q-'));
  guest = await startFakeGuest(join(home, 'agent.sock'));
  agent = createGuestAgent({ home, instanceId: 'a', name: 'a' });
  links = [];
});

afterEach(async () => {
  for (const link of links) link.unsubscribe();
  agent.end();
  await guest.close();
  rmSync(home, { recursive: true });
});

const program = { command: ['true'], env: {}, hasInput: true, hasOutput: true };
const nobodyKnows = { kind: 'exit', code: null, signal: null };

/** Starts a program, and holds it until the test is over. */
const run = (): Promise<Execution> =>
  new Promise((resolve, reject) => {
    links.push(agent.run(program).subscribe({ next: resolve, error: reject }));
  });

/** One that runs, and its id. */
async function running(connection: FakeConnection): Promise<readonly [Execution, number]> {
  const started = run();
  const { id } = await connection.hear(5);
  connection.say(67, id);
  return [await started, id];
}

const textOf = (output: ExecOutput | undefined): string =>
  output !== undefined && 'data' in output ? Buffer.from(output.data).toString() : JSON.stringify(output);

const output = (at: bigint | number, text: string | Buffer, stream = 0): Buffer =>
  Buffer.concat([Buffer.of(stream), offset(at), Buffer.from(text)]);

it('what comes before the guest has said the random number again is passed over, whatever it is', async () => {
  agent.connect();
  const connection = await guest.connection();
  const { body } = await connection.hear(1);
  connection.raw(Buffer.from('half a frame'));
  connection.raw(Buffer.alloc(3));
  connection.say(65, 0, Buffer.alloc(16));
  connection.say(70, 5, Buffer.alloc(16));
  connection.say(66);
  connection.say(65, 0, body);
  await connection.hear(2);
  connection.say(66);
  const [execution] = await running(connection);
  expect(execution).toBeDefined();
});

it('what is said of programs that nobody knows is passed over', async () => {
  agent.connect();
  const connection = await guest.attached();
  const [execution, id] = await running(connection);
  connection.say(69, id + 1, output(7, 'no'));
  connection.say(71, id + 1, Buffer.alloc(18));
  connection.say(69, id, output(0, 'yes'));
  expect(textOf(await execution.read())).toBe('yes');
});

const filled = Buffer.alloc(16 * 1_024, 'x');

it.each<[string, (connection: FakeConnection, id: number) => void]>([
  [
    'output from another place',
    (it, id) => {
      it.say(69, id, output(1, 'no'));
    },
  ],
  [
    'output again',
    (it, id) => {
      it.say(69, id, output(0, 'a'));
      it.say(69, id, output(0, 'a'));
    },
  ],
  [
    'output at a place beyond all numbers',
    (it, id) => {
      it.say(69, id, output(2n ** 64n - 2n, 'no'));
    },
  ],
  [
    'output of a third stream',
    (it, id) => {
      it.say(69, id, output(0, 'no', 2));
    },
  ],
  [
    'more output than it may without being read',
    (it, id) => {
      for (let at = 0; at <= 8; at += 1) it.say(69, id, output(at * filled.length, filled));
    },
  ],
  [
    'a piece that is too large',
    (it, id) => {
      it.say(69, id, output(0, Buffer.alloc(16 * 1_024 + 1)));
    },
  ],
  [
    'that it has read what it was not sent',
    (it, id) => {
      it.say(70, id, Buffer.concat([offset(1), offset(1)]));
    },
  ],
  [
    'that it has read what it does not have',
    (it, id) => {
      it.say(70, id, Buffer.concat([offset(0), offset(1)]));
    },
  ],
  [
    'an end with output that never came',
    (it, id) => {
      it.say(71, id, Buffer.concat([Buffer.of(0, 0), offset(1), offset(0)]));
    },
  ],
  [
    'a greeting again',
    (it) => {
      it.say(65, 0, Buffer.alloc(16));
    },
  ],
  [
    'that it is attached again',
    (it) => {
      it.say(66);
    },
  ],
  [
    'a message of a kind that there is not',
    (it) => {
      it.say(99);
    },
  ],
  [
    'a message of another length',
    (it, id) => {
      it.say(67, id, Buffer.of(1));
    },
  ],
  [
    'what is no frame',
    (it) => {
      it.raw(Buffer.of(9, 1, 0));
    },
  ],
  [
    'a frame without an end',
    (it) => {
      it.raw(Buffer.concat([Buffer.alloc(70_000, 1), Buffer.of(0)]));
    },
  ],
])('a guest that says %s loses what it runs, and is heard no more', async (_, lie) => {
  agent.connect();
  const connection = await guest.attached();
  const [execution, id] = await running(connection);
  lie(connection, id);
  await connection.closed;
  let last = await execution.read();
  while (last?.kind === 'stdout') last = await execution.read();
  expect(last).toEqual(nobodyKnows);
  await expect(run()).rejects.toMatchObject({
    ...{ _tag: 'ExecFailed', code: 126 },
    message: 'the agent in the guest said what cannot be',
  });
});

it('one whose connection is lost goes on over the next, from what was read', async () => {
  agent.connect();
  const first = await guest.attached();
  const [execution, id] = await running(first);
  first.say(69, id, output(0, 'read'));
  first.say(69, id, output(4, 'unread'));
  expect(textOf(await execution.read())).toBe('read');
  const written = execution.write(Buffer.from('input'));
  await first.hear(6);
  await written;
  first.hangUp();

  const second = await guest.connection();
  const { body: nonce } = await second.hear(1);
  second.say(65, 0, nonce);
  const { body: known } = await second.hear(2);
  expect([known.readUInt32LE(0), known.readBigUInt64LE(4), known.readBigUInt64LE(12)]).toEqual([id, 4n, 0n]);
  const list = Buffer.alloc(4);
  list.writeUInt32LE(id);
  second.say(66, 0, list);
  second.say(70, id, Buffer.concat([offset(2), offset(2)]));
  expect((await second.hear(6)).body.toString()).toBe(`${'\0'.repeat(8)}input`);
  second.say(69, id, output(4, 'unread'));
  expect(textOf(await execution.read())).toBe('unread');
  second.say(71, id, Buffer.concat([Buffer.of(1, 15), offset(10), offset(0)]));
  expect(await execution.read()).toEqual({ kind: 'exit', code: null, signal: 'SIGTERM' });
  expect(await execution.read()).toBeUndefined();
});

it('one that the guest has not heard of by then is begun there, and one that it has forgotten is lost', async () => {
  agent.connect();
  const first = await guest.attached();
  const [forgotten] = await running(first);
  const late = run();
  await first.hear(5);
  first.hangUp();
  const second = await guest.attached();
  const { id } = await second.hear(5);
  second.say(67, id);
  await late;
  expect(await forgotten.read()).toEqual(nobodyKnows);
});

it('no more is under way to a program than it has room for, and nobody who reads gets more', async () => {
  agent.connect();
  const connection = await guest.attached();
  const [execution, id] = await running(connection);
  let isWritten = false;
  const written = execution.write(Buffer.alloc(300_000, 'x')).then(() => (isWritten = true));
  for (let pieces = 0; pieces < 8; pieces += 1) await connection.hear(6);
  expect(isWritten).toBe(false);
  connection.say(70, id, Buffer.concat([offset(131_072), offset(131_072)]));
  for (let pieces = 0; pieces < 8; pieces += 1) await connection.hear(6);
  connection.say(70, id, Buffer.concat([offset(262_144), offset(2n ** 64n - 1n)]));
  await written;
  await execution.write(Buffer.from('nobody reads it'));
  execution.endInput();
  connection.say(71, id, Buffer.concat([Buffer.of(0, 0), offset(0), offset(0)]));
  expect(await execution.read()).toEqual({ kind: 'exit', code: 0, signal: null });
});

it('a program that is given up is dropped in the guest, and nothing of it is left here', async () => {
  agent.connect();
  const connection = await guest.attached();
  const started = firstValueFrom(agent.run(program));
  const { id } = await connection.hear(5);
  connection.say(67, id);
  await started;
  expect((await connection.hear(10)).id).toBe(id);
});

it('who leaves says so before the connection ends', async () => {
  agent.connect();
  const connection = await guest.attached();
  const [execution] = await running(connection);
  agent.leave();
  await connection.hear(11);
  await connection.closed;
  expect(await execution.read()).toEqual(nobodyKnows);
});
