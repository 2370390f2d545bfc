import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { agentFrames, ringBytes } from '../../../src/drivers/qemu/agentMessages.js';
import { readImage } from '../../../src/drivers/qemu/image.js';
import { type AgentHost, connectAgentHost } from './agentHost.js';
import { type BareMachine, startBareMachine } from './bareMachine.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'agent-')));
let machine: BareMachine;
let host: AgentHost;
let ids = 0;

const connect = async (): Promise<AgentHost> => connectAgentHost(join(folder, 'agent.sock'));

beforeAll(async () => {
  const image = await readImage(resolve('build/images/small'));
  const { file = '', format = '' } = image.disk ?? {};
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', file, 'disk.qcow2'], {
    cwd: folder,
  });
  const options = [
    ...['-device', 'virtio-serial-pci,id=vser0,max_ports=2'],
    ...['-chardev', 'socket,id=agent0,path=agent.sock,server=on,wait=off'],
    ...['-device', 'virtserialport,bus=vser0.0,nr=1,chardev=agent0,name=org.rx-instances.agent'],
  ];
  machine = startBareMachine({ ...image, initrd: image.initrd ?? '' }, { folder, options });
  await firstValueFrom(machine.lines$.pipe(filter((line) => line === 'guest-ready')));
});

afterAll(async () => {
  machine.kill();
  await machine.ended;
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  host = await connect();
  await host.greet();
  await host.attach();
});
afterEach(() => host.close());

const program = (script: string) => ({
  ...{ command: ['sh', '-c', script], env: {}, hasInput: true, hasOutput: true },
});

/** Starts a program, and resolves with its id once it runs. */
async function start(script: string): Promise<number> {
  const id = (ids += 1);
  host.say(agentFrames.exec(id, program(script)));
  await host.hear('started', id);
  return id;
}

/** What a program has written, up to its end. */
async function outputOf(id: number): Promise<string> {
  const { ends } = await host.hear('exited', id);
  const pieces = [];
  for (let bytes = 0; bytes < ends[0]; bytes += pieces.at(-1)?.data.length ?? 0)
    pieces.push(await host.hear('output', id));
  return Buffer.concat(pieces.map(({ data }) => data)).toString();
}

const mib = 1_024 * 1_024;

it('nothing is done for who has not attached, and nothing is said to him but hello', async () => {
  const other = (await host.close(), (host = await connect()));
  await other.greet();
  other.say(agentFrames.exec((ids += 1), program('echo x >/ran')));
  // Time enough, if it was begun.
  for (let times = 0; times < 20; times += 1) await other.greet();
  expect(other.heard('started')).toEqual([]);
  expect(await other.attach()).toEqual([]);
  expect(await outputOf(await start('ls /ran 2>/dev/null | wc -l'))).toBe('0\n');
});

it('what comes of input beyond the room that there is for it is not taken', async () => {
  const id = await start('exec sleep 1000');
  const piece = Buffer.alloc(16 * 1_024, 'x');
  for (let at = 0; at < 64; at += 1) host.say(agentFrames.input(id, at * piece.length, piece));
  await host.settled();
  // Then it tells how far it has come.
  await host.attach([{ id, acked: [0, 0] }]);
  await host.settled();
  const last = host
    .heard('taken')
    .filter((each) => each.id === id)
    .at(-1);
  // What the pipe has in it was taken.
  expect((last?.here ?? 0) - (last?.taken ?? 0)).toBeLessThanOrEqual(ringBytes);
  expect(last?.here).toBeLessThanOrEqual(ringBytes + 64 * 1_024);
});

it('input is taken from where it ended, whatever comes again, and not where there is a gap', async () => {
  const id = await start('cat');
  host.say(agentFrames.input(id, 5, Buffer.from('gap')));
  host.say(agentFrames.input(id, 0, Buffer.from('abc')), agentFrames.input(id, 0, Buffer.from('abcde')));
  host.say(agentFrames.input(id, 1, Buffer.from('b')), agentFrames.inputEnd(id, 5));
  expect(await outputOf(id)).toBe('abcde');
});

it('input that ends before it is all there is waited for', async () => {
  const id = await start('cat');
  host.say(agentFrames.inputEnd(id, 3), agentFrames.input(id, 0, Buffer.from('abc')));
  expect(await outputOf(id)).toBe('abc');
});

it('no more is told than there is room for until the host has read it, however much it says to have read', async () => {
  const id = await start('exec yes');
  const told = (): number =>
    host
      .heard('output')
      .filter((each) => each.id === id)
      .reduce((end, { offset, data }) => Math.max(end, offset + data.length), 0);
  const until = async (bytes: number): Promise<void> => {
    while (told() < bytes) await host.settled();
    await host.settled();
  };
  await until(ringBytes);
  expect(told()).toBe(ringBytes);
  host.say(agentFrames.ack(id, 0, 1_000 * mib), agentFrames.ack(id, 1, 1_000 * mib));
  await host.settled();
  expect(told()).toBe(ringBytes);
  host.say(agentFrames.ack(id, 0, ringBytes / 2), agentFrames.ack(id, 0, 5));
  await until(1.5 * ringBytes);
  expect(told()).toBe(1.5 * ringBytes);
  host.say(agentFrames.kill(id));
  host.say(agentFrames.ack(id, 0, 1.5 * ringBytes));
  // What waited in the pipe comes too.
  for (let acked = 0; host.heard('exited').length === 0; acked = told()) {
    host.say(agentFrames.ack(id, 0, acked));
    await host.settled();
  }
  expect(await host.hear('exited', id)).toMatchObject({ signal: 'SIGKILL', ends: [told(), 0] });
});

it('what is no frame, or is too long for one, harms none after it', async () => {
  host.raw(Buffer.concat([Buffer.from('half a frame'), Buffer.of(0, 0, 9, 1, 0)]));
  host.raw(Buffer.concat([Buffer.alloc(2 * mib, 1), Buffer.of(0)]));
  host.raw(Buffer.concat([Buffer.from([0x06, 5, 1, 1, 1, 1, 3, 0xff, 0xff, 0xff]), Buffer.of(0)]));
  expect(await outputOf(await start('echo well'))).toBe('well\n');
});

it('what cannot be a program is started by nobody, and one whose id is known is not started again', async () => {
  const whole = agentFrames.exec(0, program('echo $0'));
  const bodyOf = (change: (body: Buffer) => Buffer): Buffer => {
    const body = change(Buffer.from(whole.subarray(9)));
    const header = Buffer.from(whole.subarray(0, 9));
    header.writeUInt32LE((ids += 1), 1);
    header.writeUInt32LE(body.length, 5);
    return Buffer.concat([header, body]);
  };
  const first = ids;
  host.say(
    bodyOf((body) => (body.writeUInt16LE(0, 1), body)),
    bodyOf((body) => (body.writeUInt16LE(60_000, 1), body)),
    bodyOf((body) => (body.writeUInt16LE(60_000, 3), body)),
    bodyOf((body) => body.subarray(0, -1)),
    bodyOf((body) => body.subarray(0, 4)),
    bodyOf(() => Buffer.alloc(0)),
  );
  const id = await start('read line; echo "$line"');
  host.say(agentFrames.exec(id, program('echo again')));
  host.say(agentFrames.input(id, 0, Buffer.from('once\n')));
  expect(await outputOf(id)).toBe('once\n');
  const known = [...host.heard('started'), ...host.heard('failed')].map((each) => each.id);
  expect(known.filter((each) => each > first && each < id)).toEqual([]);
});

it('what is said of programs that are not there is passed over', async () => {
  const none = 4_000_000_000;
  host.say(agentFrames.input(none, 0, Buffer.from('x')), agentFrames.inputEnd(none, 1));
  host.say(agentFrames.ack(none, 0, 1), agentFrames.kill(none), agentFrames.drop(none));
  expect(await outputOf(await start('echo well'))).toBe('well\n');
});

it('over a new connection a program goes on from what was read, and is dropped where that cannot be', async () => {
  const [goesOn, lies, unknown] = [await start('echo text; cat'), await start('cat'), await start('cat')];
  await host.hear('output', goesOn);
  host.raw(Buffer.from([200, 1, 2, 3]));
  await host.close();
  host = await connect();
  await host.greet();
  const there = await host.attach([
    { id: goesOn, acked: [2, 0] },
    { id: lies, acked: [1, 0] },
  ]);
  expect(there).toEqual([goesOn]);
  expect((await host.hear('output', goesOn)).data.toString()).toBe('xt\n');
  host.say(agentFrames.kill(unknown), agentFrames.inputEnd(goesOn, 0));
  expect(await host.hear('exited', goesOn)).toMatchObject({ code: 0, ends: [5, 0] });
});

it('whoever leaves leaves nothing', async () => {
  const [one, other] = [await start('exec sleep 1000'), await start('exec sleep 1000')];
  host.say(agentFrames.leave());
  await host.settled();
  expect(
    await host.attach([
      { id: one, acked: [0, 0] },
      { id: other, acked: [0, 0] },
    ]),
  ).toEqual([]);
  expect(await outputOf(await start('pidof sleep | wc -w'))).toBe('0\n');
});
