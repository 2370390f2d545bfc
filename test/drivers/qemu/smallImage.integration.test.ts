import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { firstValueFrom, takeWhile, toArray } from 'rxjs';
import { type Image, readImage } from '../../../src/drivers/qemu/image.js';
import { type BareMachine, startBareMachine } from './bareMachine.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'small-image-')));
const place = (name: string): string => join(folder, name);

const environ = ['A=1', 'TEXT=it\'s "two"  words, $HOME `id` \\n', 'TWO=one\ntwo', '-u=odd', 'EMPTY='];
const program = ['echo begun', 'echo "$A|$TEXT|$TWO|$1|$2|$#"', 'echo done'];
const cmdline = ['sh', '-c', program.join('\n'), 'sh', '', ' $0 '];

let image: Image & { readonly initrd: string };
let machine: BareMachine;

const started: BareMachine[] = [];

/** Starts a machine in a folder of its own, in which its disk lies. */
function start(name: string, disk: () => void, ...options: readonly string[]): BareMachine {
  mkdirSync(place(name), { recursive: true });
  disk();
  const handedIn = Object.entries({ environ, cmdline }).flatMap(([part, texts]) => {
    writeFileSync(place(part), texts.map((text) => `${text}\0`).join(''));
    return ['-fw_cfg', `name=opt/org.rx-instances/${part},file=${place(part)}`];
  });
  const one = startBareMachine(image, { folder: place(name), options: [...handedIn, ...options] });
  started.push(one);
  return one;
}

const qemuImg = (...args: readonly string[]): unknown => execFileSync('qemu-img', args, { stdio: 'pipe' });

/** What it has said up to a line. */
const saidUpTo = (one: BareMachine, last: string): Promise<readonly string[]> =>
  firstValueFrom(
    one.lines$.pipe(
      takeWhile((line) => line !== last, true),
      toArray(),
    ),
  );

beforeAll(async () => {
  const read = await readImage(resolve('build/images/small'));
  image = { ...read, initrd: read.initrd ?? '' };
  const { file = '', format = '' } = read.disk ?? {};
  machine = start('first', () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-F', format, '-b', file, place('first/disk.qcow2'));
  });
  expect(await saidUpTo(machine, 'guest-ready')).toContain('guest-ready');
});

afterAll(async () => {
  for (const { kill } of started) kill();
  await Promise.all(started.map(({ ended }) => ended));
  rmSync(folder, { recursive: true });
});

it('counts from one on, without a gap, once it has said that it is ready', async () => {
  const said = await saidUpTo(machine, 'count 4');
  expect(said.filter((line) => /^(guest-ready|count)/.test(line))).toEqual([
    'guest-ready',
    ...['count 1', 'count 2', 'count 3', 'count 4'],
  ]);
});

it.each<[string, string | RegExp]>([
  ['ping', 'pong'],
  ['random', /^[0-9a-f]{32}$/],
  ['mac', '52:54:00:00:00:07'],
  ['environ', `${environ.join(' ').replace('\n', ' ')} `],
  ['time', /^\d{10}$/],
  ['dance', 'no such command'],
])('answers to %j', async (question, answer) => {
  expect(await machine.ask(question)).toEqual(
    answer instanceof RegExp ? expect.stringMatching(answer) : answer,
  );
});

it('runs the command that is handed in, in the environment that is handed in, byte for byte', async () => {
  const said = await saidUpTo(machine, 'done');
  const from = said.indexOf('begun');
  expect(said.slice(from).filter((line) => !/^(count|answer) /.test(line))).toEqual([
    'begun',
    `1|it's "two"  words, $HOME \`id\` \\n|one`,
    'two|| $0 |2',
    'done',
  ]);
});

it('keeps what it is told to write on its disk, which was blank', async () => {
  const text = '  two  words \\n of "text"';
  expect(await machine.ask('read')).toMatch(/No such file/);
  expect(await machine.ask(`write ${text}`)).toBe('written');
  expect(await machine.ask('read')).toBe(text.trim());
});

it('tells the count to whoever asks by HTTP', async () => {
  const [, port = ''] =
    /HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(await machine.command('info usernet')) ?? [];
  const [before = NaN] = await machine.counts(1);
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  const [, count] = /^count (\d+)\n$/.exec(await response.text()) ?? [];
  expect(response.status).toBe(200);
  expect(Number(count)).toBeGreaterThanOrEqual(before);
});

describe('a copy of its memory', () => {
  let counted = NaN;

  beforeAll(async () => {
    [counted = NaN] = await machine.counts(1);
    const [part, whole] = [place('memory.part'), place('memory')];
    await machine.command(`migrate "exec:cat > ${part} && mv ${part} ${whole}"`);
    await machine.command('cont');
  });

  it('is made while it goes on, and its kernel panics: it ends with 1', async () => {
    expect(await machine.ask('ping')).toBe('pong');
    machine.say('panic');
    expect(await machine.ended).toBe(1);
  });

  it('goes on where it was, and ends with 0 when the power button is pressed', async () => {
    const disk = (): void => {
      copyFileSync(place('first/disk.qcow2'), place('copy/disk.qcow2'));
    };
    const copy = start('copy', disk, '-incoming', `exec:cat ${place('memory')}`);
    const [first = NaN, second] = await copy.counts(2);
    expect(first).toBeGreaterThan(counted);
    expect(second).toBe(first + 1);
    expect(await copy.ask('read')).toBe('two  words \\n of "text"');
    await copy.command('system_powerdown');
    expect(await copy.ended).toBe(0);
  });

  it('leaves a disk with a file system on it, and the disk of the image as it was', () => {
    qemuImg('convert', '-O', 'raw', place('copy/disk.qcow2'), place('disk.raw'));
    const disk = readFileSync(place('disk.raw'));
    expect(disk.readUInt16LE(1_080)).toBe(0xef53);
    expect(disk.includes('two  words \\n of "text"\n')).toBe(true);
    const base = readFileSync(image.disk?.file ?? '');
    expect(base.equals(Buffer.alloc(64 * 1_024 * 1_024))).toBe(true);
  });
});
