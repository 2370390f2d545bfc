import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDisks } from '../../../src/drivers/qemu/disk.js';
import { emptyQcow2 } from '../../../src/drivers/qemu/qcow2.js';
import { createPrograms } from '../../../src/drivers/qemu/programs.js';

// Patience: some hundred processes, on a machine that others use too.
jest.setTimeout(120_000);

const cluster = 65_536;
const blocks = 4;

const disks = createDisks('qemu-img', createPrograms());
const image = mkdtempSync(join(tmpdir(), 'image, "odd": '));
let folder: string;

const bases = {
  raw: { file: join(image, 'disk.raw'), format: 'raw' },
  qcow2: { file: join(image, 'disk.qcow2'), format: 'qcow2' },
} as const;

/** All that lies on the image's own disk: a block of each of these bytes. */
const original: readonly number[] = [7, 0, 8, 9];

const bytesOf = (contents: readonly number[]): Buffer =>
  Buffer.concat(contents.map((byte) => Buffer.alloc(cluster, byte)));

beforeAll(() => {
  writeFileSync(bases.raw.file, bytesOf(original));
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', bases.raw.file, bases.qcow2.file]);
});

afterAll(() => {
  // Whatever was written went to the layers.
  expect(readFileSync(bases.raw.file).equals(bytesOf(original))).toBe(true);
  rmSync(image, { recursive: true });
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'disk-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A folder for a machine. */
const place = (name: string): string => join(folder, name);

async function begun(name: string, format: 'raw' | 'qcow2' = 'raw'): Promise<string> {
  mkdirSync(place(name));
  await disks.begin(place(name), bases[format]);
  return place(name);
}

const topOf = async (home: string): Promise<string> => join(home, (await disks.top(home))?.file ?? '');

/** What a guest would do to the topmost layer. */
const io = (file: string, command: string): unknown =>
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', command, file], { stdio: 'pipe' });

const write = async (home: string, block: number, byte: number): Promise<void> => {
  io(await topOf(home), `write -q -P ${String(byte)} ${String(block * cluster)} ${String(cluster)}`);
};

/** What a guest would see. */
async function contents(home: string): Promise<readonly number[]> {
  const raw = place('raw');
  execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', await topOf(home), raw]);
  const seen = readFileSync(raw);
  const first = Array.from({ length: blocks }, (_, block) => seen.readUInt8(block * cluster));
  expect(seen.equals(bytesOf(first))).toBe(true);
  return first;
}

const layersOf = (home: string): readonly string[] =>
  readdirSync(home)
    .filter((file) => file.endsWith('.qcow2'))
    .toSorted();

/** How many names each layer has. */
const namesOf = (home: string): Readonly<Record<string, number>> =>
  Object.fromEntries(layersOf(home).map((file) => [file, statSync(join(home, file)).nlink]));

const isWhole = (home: string): void => {
  // It fails where anything is wrong, or takes room for nothing.
  for (const file of layersOf(home)) execFileSync('qemu-img', ['check', '-q', join(home, file)]);
};

const recorded = (home: string): unknown => JSON.parse(readFileSync(join(home, 'disk.json'), 'utf8'));

describe.each(['raw', 'qcow2'] as const)('a disk on top of a %s one', (format) => {
  it('begins as that is, with one layer that holds nothing', async () => {
    const home = await begun('a', format);
    await expect(disks.top(home)).resolves.toEqual({ file: 'disk-0.qcow2', node: 'disk0' });
    expect(await contents(home)).toEqual(original);
    const { size, mtimeMs, ctimeMs, ino } = statSync(bases[format].file);
    const times = { modifiedMs: mtimeMs, changedMs: ctimeMs };
    expect(recorded(home)).toEqual({
      base: { ...bases[format], bytes: size, ...times, inode: ino, sha256: expect.any(String) as string },
      size: blocks * cluster,
      layers: [statSync(join(home, 'disk-0.qcow2')).size],
    });
    isWhole(home);
  });

  it('keeps what is written to it to itself', async () => {
    const [one, other] = [await begun('a', format), await begun('b', format)];
    await write(one, 1, 42);
    expect([await contents(one), await contents(other)]).toEqual([[7, 42, 8, 9], original]);
  });
});

describe('a disk', () => {
  it('is read by its owner only', async () => {
    const home = await begun('a');
    expect(statSync(join(home, 'disk.json')).mode & 0o777).toBe(0o600);
  });

  it('cannot begin on top of what is no disk: the reason is told, and none is there', async () => {
    mkdirSync(place('a'));
    const failing = disks.begin(place('a'), { file: bases.raw.file, format: 'qcow2' });
    await expect(failing).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining('Image is not in qcow2 format') as string,
    });
    await expect(disks.top(place('a'))).resolves.toBeUndefined();
  });

  it.each<[string, (file: string) => void]>([
    ['is gone', rmSync],
    [
      'was changed',
      (file) => {
        appendFileSync(file, 'x');
      },
    ],
    [
      'was changed',
      (file) => {
        const { atime, mtime } = statSync(file);
        writeFileSync(file, bytesOf(original.toReversed()));
        utimesSync(file, atime, mtime);
      },
    ],
  ])('is of no use any more when that of the image %s', async (what, change) => {
    const file = place('base.raw');
    writeFileSync(file, bytesOf(original));
    mkdirSync(place('a'));
    await disks.begin(place('a'), { file, format: 'raw' });
    await disks.copy(place('a'), place('b'));
    change(file);
    for (const home of [place('a'), place('b')])
      await expect(disks.top(home)).rejects.toMatchObject({
        _tag: 'LaunchFailed',
        reason: `the disk of the image, ${file}, ${what} since the instance was made of it`,
      });
  });

  it('is of use as long as the bytes of that of the image are the same, whatever its times', async () => {
    const file = place('base.raw');
    writeFileSync(file, bytesOf(original));
    mkdirSync(place('a'));
    await disks.begin(place('a'), { file, format: 'raw' });
    utimesSync(file, 1, 1);
    expect(await contents(place('a'))).toEqual(original);
    rmSync(file);
    writeFileSync(file, bytesOf(original));
    expect(await contents(place('a'))).toEqual(original);
  });

  it('is of use where it was made by version 0.1, which kept no more than size and time', async () => {
    const home = await begun('a');
    const { base, ...rest } = recorded(home) as { readonly base: Readonly<Record<string, unknown>> };
    const { file, format, bytes, modifiedMs } = base;
    writeFileSync(
      join(home, 'disk.json'),
      JSON.stringify({ ...rest, base: { file, format, bytes, modifiedMs } }),
    );
    expect(await contents(home)).toEqual(original);
  });

  it.each<[string, (home: string) => void]>([
    [
      'another file',
      (home) => {
        execFileSync('qemu-img', ['rebase', '-u', '-F', 'raw', '-b', '/nowhere', join(home, 'disk-0.qcow2')]);
      },
    ],
    [
      'a file of another format',
      (home) => {
        const base = ['-F', 'qcow2', '-b', bases.raw.file];
        execFileSync('qemu-img', ['rebase', '-u', ...base, join(home, 'disk-0.qcow2')]);
      },
    ],
    [
      'a pipe',
      (home) => {
        rmSync(join(home, 'disk-0.qcow2'));
        execFileSync('mkfifo', [join(home, 'disk-0.qcow2')]);
      },
    ],
    [
      'a link',
      (home) => {
        renameSync(join(home, 'disk-0.qcow2'), place('elsewhere'));
        symlinkSync(place('elsewhere'), join(home, 'disk-0.qcow2'));
      },
    ],
  ])('is not opened where a layer lies on, or is, %s', async (_, damage) => {
    const home = await begun('a');
    damage(home);
    await expect(disks.top(home)).rejects.toThrow(/is damaged|is no plain file/);
  });

  it('has layers as qemu-img would have made them, whatever its size', () => {
    const header = (file: string): unknown => {
      const told = execFileSync('qemu-img', ['info', '--output=json', file], { encoding: 'utf8' });
      const { filename, ...info } = JSON.parse(told) as Record<string, unknown>;
      return info;
    };
    for (const size of [512, 2 ** 29, 2 ** 29 + 512, 5 * 2 ** 40]) {
      const [ours, theirs] = [place('ours'), place('theirs')];
      writeFileSync(ours, emptyQcow2(size, { file: '/of, "any": name', format: 'raw' }));
      const base = ['-u', '-b', '/of, "any": name', '-F', 'raw'];
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...base, theirs, String(size)]);
      expect(statSync(ours).size).toBe(statSync(theirs).size);
      expect(header(ours)).toEqual(header(theirs));
      const empty = ['rebase', '-u', '-b', '', ours];
      execFileSync('qemu-img', empty);
      execFileSync('qemu-img', ['check', '-q', ours]);
    }
  });

  it('that is none has no layers and no copies, but its folder has to be there', async () => {
    mkdirSync(place('none'));
    await expect(disks.top(place('none'))).resolves.toBeUndefined();
    await disks.copy(place('none'), place('copy'));
    expect(existsSync(place('copy'))).toBe(false);
    await expect(disks.copy(place('nowhere'), place('copy'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('whose record is broken is not taken for none', async () => {
    const home = await begun('a');
    writeFileSync(join(home, 'disk.json'), '{"layers":[');
    const works = [
      () => disks.top(home),
      () => disks.copy(home, place('b')),
      () => disks.add(home, 'disk0'),
      () => disks.remove(home, { file: 'disk-0.qcow2', node: 'disk0' }),
    ];
    for (const work of works) await expect(work()).rejects.toThrow(/disk\.json is broken/);
  });
});

describe('a copy', () => {
  it('of a disk that was never written to shares nothing but that of the image', async () => {
    const home = await begun('a');
    await disks.copy(home, place('b'));
    expect([namesOf(home), namesOf(place('b'))]).toEqual([{ 'disk-0.qcow2': 1 }, { 'disk-0.qcow2': 1 }]);
    expect(recorded(place('b'))).toEqual(recorded(home));
    expect(await contents(place('b'))).toEqual(original);
  });

  it('of one that was written to shares that layer, on which each has an empty one', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    await disks.copy(home, place('b'));
    for (const one of [home, place('b')]) {
      expect(namesOf(one)).toEqual({ 'disk-0.qcow2': 2, 'disk-1.qcow2': 1 });
      await expect(disks.top(one)).resolves.toEqual({ file: 'disk-1.qcow2', node: 'disk1' });
      expect(await contents(one)).toEqual([1, 0, 8, 9]);
      isWhole(one);
    }
    expect(statSync(place('b')).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['a byte', 'write -q -P 1 5 1'],
    ['zeros', 'write -q -z 0 512'],
    ['what was there', `write -q -P 7 0 ${String(cluster)}`],
    ['what is given back', `discard -q 0 ${String(cluster)}`],
  ])('lays an empty layer on top of %s too', async (_, command) => {
    const home = await begun('a');
    io(await topOf(home), command);
    await disks.copy(home, place('b'));
    expect(layersOf(place('b'))).toEqual(['disk-0.qcow2', 'disk-1.qcow2']);
  });

  it('of a copy that was not written to makes no layer more', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    await disks.copy(home, place('b'));
    await disks.copy(place('b'), place('c'));
    await disks.copy(home, place('d'));
    for (const name of ['a', 'b', 'c', 'd'])
      expect(namesOf(place(name))).toEqual({ 'disk-0.qcow2': 4, 'disk-1.qcow2': 1 });
  });

  it('and its source are written to independently, and neither needs the other', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    await disks.copy(home, place('b'));
    await write(home, 1, 2);
    await write(place('b'), 1, 3);
    await write(place('b'), 3, 4);
    expect(await contents(home)).toEqual([1, 2, 8, 9]);
    rmSync(home, { recursive: true });
    expect(await contents(place('b'))).toEqual([1, 3, 8, 4]);
    expect(namesOf(place('b'))).toEqual({ 'disk-0.qcow2': 1, 'disk-1.qcow2': 1 });
    isWhole(place('b'));
  });
});

describe('another layer', () => {
  it('is laid on top of one that was written to, and named; that one stays as it is from then on', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    const frozen = readFileSync(join(home, 'disk-0.qcow2'));
    const added = await disks.add(home, 'disk0');
    expect(added).toEqual({ file: 'disk-1.qcow2', node: 'disk1' });
    await expect(disks.top(home)).resolves.toEqual(added);
    await write(home, 1, 2);
    expect(await contents(home)).toEqual([1, 2, 8, 9]);
    expect(readFileSync(join(home, 'disk-0.qcow2')).equals(frozen)).toBe(true);
    isWhole(home);
  });

  it('is not made on top of an empty one', async () => {
    const home = await begun('a');
    const before = recorded(home);
    await expect(disks.add(home, 'disk0')).resolves.toBeUndefined();
    expect([recorded(home), layersOf(home)]).toEqual([before, ['disk-0.qcow2']]);
  });

  it('takes the place of one that the machine has never taken up', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    await disks.add(home, 'disk0');
    // Its manager was killed here; the machine went on with the one below.
    io(join(home, 'disk-0.qcow2'), `write -q -P 2 0 ${String(cluster)}`);
    await expect(disks.add(home, 'disk0')).resolves.toEqual({ file: 'disk-1.qcow2', node: 'disk1' });
    expect(recorded(home)).toMatchObject({ layers: [expect.anything(), expect.anything()] });
    expect(await contents(home)).toEqual([2, 0, 8, 9]);
  });

  it('that the machine has never taken up is forgotten where the one below is empty', async () => {
    const home = await begun('a');
    const before = recorded(home) as { readonly layers: readonly number[] };
    const one = { ...before, layers: [...before.layers, 0] };
    writeFileSync(join(home, 'disk.json'), JSON.stringify(one));
    await expect(disks.add(home, 'disk0')).resolves.toBeUndefined();
    expect(recorded(home)).toEqual(before);
  });

  it('on top of one that is not known is refused, and changes nothing', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    const before = [recorded(home), layersOf(home)];
    await expect(disks.add(home, 'elsewhere')).rejects.toThrow(
      'the disk is in use: QEMU writes to it by "elsewhere", which is none of its layers',
    );
    expect([recorded(home), layersOf(home)]).toEqual(before);
  });

  it('that is taken back leaves the disk as it was, once', async () => {
    const home = await begun('a');
    await write(home, 0, 1);
    const before = recorded(home);
    const added = { file: 'disk-1.qcow2', node: 'disk1' };
    await disks.add(home, 'disk0');
    await disks.remove(home, added);
    expect(recorded(home)).toEqual(before);
    await disks.remove(home, added);
    expect(recorded(home)).toEqual(before);
    await write(home, 1, 2);
    await disks.copy(home, place('b'));
    expect(await contents(place('b'))).toEqual([1, 2, 8, 9]);
  });
});

/** Something done to one of the disks there are; which, is told by how many are skipped. */
interface Step {
  readonly kind: 'write' | 'copy' | 'delete' | 'add' | 'take back';
  readonly skip: number;
  readonly block: number;
  readonly byte: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write', 'write', 'copy', 'copy', 'delete', 'add', 'take back'),
  skip: fc.nat({ max: 20 }),
  block: fc.nat({ max: blocks - 1 }),
  byte: fc.integer({ min: 0, max: 255 }),
});

it('holds what was written to it and to what it is a copy of until then, whatever became of others', async () => {
  const run = async (format: 'raw' | 'qcow2', steps: readonly Step[]): Promise<void> => {
    const model = new Map<string, readonly number[]>();
    let made = 0;
    const begin = async (): Promise<void> => {
      model.set(await begun(`disk-${String((made += 1))}`, format), original);
    };
    await begin();
    for (const { kind, skip, block, byte } of steps) {
      const [home = '', seen = []] = [...model][skip % model.size] ?? [];
      const node = (await disks.top(home))?.node ?? '';
      switch (kind) {
        case 'write':
          await write(home, block, byte);
          model.set(home, seen.with(block, byte));
          break;
        case 'copy': {
          const copy = place(`disk-${String((made += 1))}`);
          await disks.copy(home, copy);
          model.set(copy, seen);
          break;
        }
        case 'delete':
          rmSync(home, { recursive: true });
          model.delete(home);
          if (model.size === 0) await begin();
          break;
        case 'add':
          await disks.add(home, node);
          break;
        case 'take back': {
          const added = await disks.add(home, node);
          if (added !== undefined) await disks.remove(home, added);
          break;
        }
      }
    }
    for (const [home, seen] of model) {
      expect(await contents(home)).toEqual(seen);
      isWhole(home);
      rmSync(home, { recursive: true });
    }
  };
  const steps = fc.array(step, { minLength: 4, maxLength: 16 });
  await fc.assert(fc.asyncProperty(fc.constantFrom('raw', 'qcow2'), steps, run), { numRuns: 25 });
});
