import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkMemory,
  copyMemory,
  forgetMemory,
  forgetRam,
  giveMemory,
  keepMemory,
  keptMemory,
  ownsRam,
  type SavedMemory,
  shareMemory,
  spendMemory,
} from '../../../src/drivers/qemu/memory.js';
import type { VmConfig } from '../../../src/drivers/qemu/vmConfig.js';

const vm: VmConfig = {
  ...{ qemu: '7.2.22', machine: 'pc-i440fx-7.2', accel: 'tcg', cpu: 'max' },
  ...{ vcpus: 2, memoryMiB: 16, hasDisk: true },
};
const ramBytes = 16 * 1_024 * 1_024;
const stateText = 'processors and devices';
const state = {
  bytes: stateText.length,
  sha256: createHash('sha256').update(stateText).digest('hex'),
};

let folder: string;
let home: string;
const place = (...names: readonly string[]): string => join(folder, ...names);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'memory-'));
  home = place('home');
  mkdirSync(home);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A memory of which a guest has touched one page in the middle, and all else of a machine that stands still. */
function halted(): void {
  const ram = openSync(join(home, 'ram'), 'w');
  ftruncateSync(ram, ramBytes);
  writeSync(ram, 'touched', ramBytes / 2);
  closeSync(ram);
  writeFileSync(join(home, 'state'), stateText);
}

/** The same, and it was written down. */
async function kept(ramIn: SavedMemory['ramIn'] = 'file'): Promise<SavedMemory> {
  halted();
  await keepMemory(home, { vm, ramIn, state });
  return read();
}

async function read(of = home): Promise<SavedMemory> {
  const memory = await keptMemory(of);
  if (memory === undefined) throw new Error('no memory is kept');
  return memory;
}

/** What keeps it from being gone on from. */
async function differences(memory: SavedMemory, now: Partial<VmConfig> = vm, of = home) {
  try {
    await checkMemory(of, memory, now);
    return [];
  } catch (error) {
    expect(error).toMatchObject({ _tag: 'SnapshotIncompatible' });
    const told = (error as { readonly differences: readonly Record<string, string>[] }).differences;
    return told.map(
      ({ path, found, expected }) => `${String(path)} | ${String(found)} | ${String(expected)}`,
    );
  }
}

const inodeOf = (path: string): number => statSync(path).ino;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const modifiedMs = (path: string): number => Math.round(statSync(path).mtimeMs);
const fileOf = (path: string) => {
  const { ino, birthtimeMs, ctimeMs } = statSync(path);
  return { inode: ino, bornMs: birthtimeMs, changedMs: ctimeMs };
};
const roomOf = (path: string): number => statSync(path).blocks * 512;

describe('what is kept of a machine', () => {
  it('tells what it was built of, its state by size and hash, its memory by size and time', async () => {
    await expect(kept()).resolves.toEqual({
      ...{ version: 1, vm, ramIn: 'file' },
      state: { bytes: stateText.length, sha256: sha256(stateText) },
      ram: { bytes: ramBytes, modifiedMs: modifiedMs(join(home, 'ram')), file: fileOf(join(home, 'ram')) },
    });
    expect(statSync(join(home, 'memory.json')).mode & 0o777).toBe(0o600);
  });

  it('tells nothing of the file of a memory that lies in the state', async () => {
    expect(await kept('state')).not.toHaveProperty('ram');
  });

  it('is nothing before it was written down, and nothing is written down without a memory', async () => {
    halted();
    await expect(keptMemory(home)).resolves.toBeUndefined();
    rmSync(join(home, 'ram'));
    await expect(keepMemory(home, { vm, ramIn: 'file', state })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(keptMemory(home)).resolves.toBeUndefined();
  });

  it.each([
    ['{', /memory\.json is broken: .*JSON/],
    ['{"version":2}', /memory\.json is broken: version: found 2, expected 1; vm: found nothing/],
  ])('is not taken for nothing where its record is broken: %s', async (text, message) => {
    writeFileSync(join(home, 'memory.json'), text);
    await expect(keptMemory(home)).rejects.toThrow(message);
  });
});

describe('a memory can be gone on from', () => {
  it('where all is as it was', async () => {
    const memory = await kept();
    await expect(differences(memory)).resolves.toEqual([]);
    // What is not known now is not compared.
    await expect(differences(memory, {})).resolves.toEqual([]);
  });

  it.each<[Partial<VmConfig>, string]>([
    [{ qemu: '9.0.0' }, "qemu | '9.0.0' | '7.2.22'"],
    [{ machine: 'pc-i440fx-9.0' }, "machine | 'pc-i440fx-9.0' | 'pc-i440fx-7.2'"],
    [{ accel: 'kvm' }, "accel | 'kvm' | 'tcg'"],
    [{ cpu: 'host' }, "cpu | 'host' | 'max'"],
    [{ vcpus: 1 }, 'vcpus | 1 | 2'],
    [{ memoryMiB: 32 }, 'memoryMiB | 32 | 16'],
    [{ hasDisk: false }, 'hasDisk | false | true'],
  ])('by no machine that is built otherwise: %j', async (changes, difference) => {
    const memory = await kept();
    await expect(differences(memory, { ...vm, ...changes })).resolves.toEqual([difference]);
  });

  const [stateFile, ram] = ['state', 'ram'].map((name) => () => join(home, name)) as [
    () => string,
    () => string,
  ];

  it.each<[string, () => void, readonly RegExp[]]>([
    [
      'a state that was cut',
      () => {
        truncateSync(stateFile(), 3);
      },
      [/^state\.bytes \| 3 \| 22$/],
    ],
    [
      'a state in which a byte is another',
      () => {
        writeFileSync(stateFile(), stateText.replace('and', 'end'));
      },
      [/^state\.sha256 \| '[0-9a-f]{64}' \| '[0-9a-f]{64}'$/],
    ],
    [
      'a state that is gone',
      () => {
        rmSync(stateFile());
      },
      [/^state\.bytes \| nothing \| 22$/],
    ],
    [
      'a memory that was cut',
      () => {
        const { atime, mtime } = statSync(ram());
        truncateSync(ram(), 5);
        utimesSync(ram(), atime, mtime);
      },
      [/^ram\.bytes \| 5 \| 16777216$/, /^ram\.changedMs \| /],
    ],
    [
      'a memory that was written to since',
      () => {
        utimesSync(ram(), 1, 1);
      },
      [/^ram\.modifiedMs \| 1000 \| \d+$/, /^ram\.changedMs \| /],
    ],
    [
      'a memory in which a byte is another, whose time was set back',
      () => {
        const { atime, mtime } = statSync(ram());
        const file = openSync(ram(), 'r+');
        writeSync(file, 'x', 7);
        closeSync(file);
        utimesSync(ram(), atime, mtime);
      },
      [/^ram\.changedMs \| /],
    ],
    [
      'a state that is a link',
      () => {
        renameSync(stateFile(), place('elsewhere'));
        symlinkSync(place('elsewhere'), stateFile());
      },
      [/^state\.bytes \| nothing \| 22$/],
    ],
    [
      'a memory that is a link',
      () => {
        renameSync(ram(), place('elsewhere'));
        symlinkSync(place('elsewhere'), ram());
      },
      [/^ram\.bytes \| nothing \| 16777216$/, /^ram\.modifiedMs \| nothing \| \d+$/],
    ],
    [
      'a memory that is gone',
      () => {
        rmSync(ram());
      },
      [/^ram\.bytes \| nothing \| 16777216$/, /^ram\.modifiedMs \| nothing \| \d+$/],
    ],
  ])('with no part of it being another: not with %s', async (_, change, expected) => {
    const memory = await kept();
    change();
    const told = await differences(memory);
    expect(told).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as string));
  });

  it('by no machine when all is wrong, and each is told', async () => {
    const memory = await kept();
    for (const path of [stateFile(), ram()]) rmSync(path);
    const other: VmConfig = {
      ...{ qemu: 'x', machine: 'x', accel: 'kvm', cpu: 'x' },
      ...{ vcpus: 9, memoryMiB: 99, hasDisk: false },
    };
    const told = await differences(memory, other);
    expect(told.map((difference) => difference.split(' | ')[0])).toEqual([
      ...Object.keys(vm),
      ...['state.bytes', 'ram.bytes', 'ram.modifiedMs'],
    ]);
  });

  it('whatever became of the file of a memory that lies in the state', async () => {
    const memory = await kept('state');
    rmSync(ram());
    await expect(differences(memory)).resolves.toEqual([]);
  });
});

describe('a memory that is given to a QEMU that may write to it', () => {
  it('is compared by its size only from then on', async () => {
    const before = await kept();
    await giveMemory(home, before);
    const { ram, ...rest } = await read();
    expect({ ram, rest }).toEqual({
      ram: { bytes: ramBytes },
      rest: { version: 1, vm, ramIn: 'file', state: before.state },
    });
    utimesSync(join(home, 'ram'), 1, 1);
    await expect(differences(await read())).resolves.toEqual([]);
    truncateSync(join(home, 'ram'), 5);
    await expect(differences(await read())).resolves.toEqual(['ram.bytes | 5 | 16777216']);
  });

  it('stays as it is for those who share it', async () => {
    const before = await kept();
    await shareMemory(home, place('other'));
    await giveMemory(home, before);
    await expect(read(place('other'))).resolves.toEqual({
      ...before,
      ram: { ...before.ram, file: { inode: before.ram?.file?.inode, bornMs: before.ram?.file?.bornMs } },
    });
  });

  it('is as it was where it lies in the state', async () => {
    const before = await kept('state');
    const inode = inodeOf(join(home, 'memory.json'));
    await giveMemory(home, before);
    await expect(read()).resolves.toEqual(before);
    expect(inodeOf(join(home, 'memory.json'))).toBe(inode);
  });
});

describe('a memory that is shared', () => {
  it('has each of its files under another name', async () => {
    await kept();
    await shareMemory(home, place('other'));
    expect(readdirSync(place('other')).toSorted()).toEqual(['memory.json', 'ram', 'state']);
    for (const name of ['memory.json', 'ram', 'state'])
      expect(inodeOf(place('other', name))).toBe(inodeOf(join(home, name)));
    expect(statSync(place('other')).mode & 0o777).toBe(0o700);
    await expect(differences(await read(place('other')), vm, place('other'))).resolves.toEqual([]);
  });

  it('has no file of its own where it lies in the state', async () => {
    await kept('state');
    await shareMemory(home, place('other'));
    expect(readdirSync(place('other')).toSorted()).toEqual(['memory.json', 'state']);
  });

  it('is good for both, whatever names its file gets and loses', async () => {
    await kept();
    await shareMemory(home, place('other'));
    await shareMemory(place('other'), place('third'));
    rmSync(place('third'), { recursive: true });
    for (const owner of [home, place('other')])
      await expect(differences(await read(owner), vm, owner)).resolves.toEqual([]);
  });

  it('leaves alone what it was told of another file, as in a snapshot', async () => {
    await kept();
    mkdirSync(place('snapshot'));
    await copyMemory(home, place('snapshot'));
    const inode = inodeOf(place('snapshot', 'memory.json'));
    await shareMemory(place('snapshot'), place('other'));
    expect(inodeOf(place('snapshot', 'memory.json'))).toBe(inode);
    await expect(differences(await read(place('other')), vm, place('other'))).resolves.toEqual([]);
  });

  it('outlives whoever had it first', async () => {
    await kept();
    await shareMemory(home, place('other'));
    rmSync(home, { recursive: true });
    await expect(differences(await read(place('other')), vm, place('other'))).resolves.toEqual([]);
  });

  it('cannot be where nothing is kept', async () => {
    halted();
    for (const give of [shareMemory, copyMemory])
      await expect(give(home, place(give.name))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a memory that is copied', () => {
  beforeEach(() => {
    mkdirSync(place('other'));
  });

  it('is another file with the same bytes, which takes no more room', async () => {
    await kept();
    await copyMemory(home, place('other'));
    expect(readFileSync(place('other', 'ram')).equals(readFileSync(join(home, 'ram')))).toBe(true);
    expect(inodeOf(place('other', 'ram'))).not.toBe(inodeOf(join(home, 'ram')));
    expect(inodeOf(place('other', 'state'))).toBe(inodeOf(join(home, 'state')));
    expect(roomOf(place('other', 'ram'))).toBeLessThanOrEqual(roomOf(join(home, 'ram')));
  });

  it('takes no room for zeros that were written', async () => {
    await kept();
    writeFileSync(join(home, 'ram'), Buffer.alloc(ramBytes));
    await copyMemory(home, place('other'));
    expect(roomOf(place('other', 'ram'))).toBe(0);
    expect(statSync(place('other', 'ram')).size).toBe(ramBytes);
  });

  it.each([
    ['that knows no such options, as that of busybox', 'echo "cp: unrecognized option" >&2; exit 1'],
    ['that leaves half of it', 'head -c 9 "$4" >"$5"; exit 1'],
  ])('is the same with a cp %s', async (_, script) => {
    const path = process.env['PATH'];
    writeFileSync(place('cp'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const memory = await kept();
    process.env['PATH'] = `${place()}:${String(path)}`;
    try {
      await copyMemory(home, place('other'));
    } finally {
      process.env['PATH'] = path;
    }
    expect(readFileSync(place('other', 'ram')).equals(readFileSync(join(home, 'ram')))).toBe(true);
    expect(roomOf(place('other', 'ram'))).toBeLessThan(ramBytes / 100);
    await expect(differences(memory, vm, place('other'))).resolves.toEqual([]);
  });

  it('is told to be the one that was kept, whatever the source does from then on', async () => {
    const memory = await kept();
    utimesSync(join(home, 'ram'), 1, 1);
    await keepMemory(home, { vm, ramIn: 'file', state });
    await copyMemory(home, place('other'));
    appendFileSync(join(home, 'ram'), 'goes on');
    const copy = await read(place('other'));
    expect(copy).toMatchObject({ ...memory, ram: { bytes: ramBytes, modifiedMs: 1_000 } });
    await expect(differences(copy, vm, place('other'))).resolves.toEqual([]);
  });

  it('is not gone on from where its source was written to after it was kept', async () => {
    await kept();
    utimesSync(join(home, 'ram'), 1, 1);
    await copyMemory(home, place('other'));
    const faults = await differences(await read(place('other')), vm, place('other'));
    expect(faults).toEqual([expect.stringContaining('ram.modifiedMs | 1000 | ')]);
  });

  it('is the same files where it lies in the state', async () => {
    await kept('state');
    await copyMemory(home, place('other'));
    expect(readdirSync(place('other')).toSorted()).toEqual(['memory.json', 'state']);
    expect(inodeOf(place('other', 'state'))).toBe(inodeOf(join(home, 'state')));
  });
});

describe('a memory that is spent', () => {
  it('leaves the file that a machine still has, and nothing of what was begun', async () => {
    await kept();
    writeFileSync(join(home, 'state.part'), 'cut off');
    await spendMemory(home);
    expect(readdirSync(home)).toEqual(['ram']);
    await spendMemory(home);
    expect(readdirSync(home)).toEqual(['ram']);
  });

  it('takes from nobody who shares it', async () => {
    await kept();
    await shareMemory(home, place('other'));
    await spendMemory(home);
    await expect(differences(await read(place('other')), vm, place('other'))).resolves.toEqual([]);
  });

  // A directory can't be removed as a file can.
  it('is void before its state is gone', async () => {
    await kept();
    rmSync(join(home, 'state'));
    mkdirSync(join(home, 'state'));
    await expect(spendMemory(home)).rejects.toThrow();
    await expect(keptMemory(home)).resolves.toBeUndefined();
  });

  it('is whole where its record cannot be removed', async () => {
    await kept();
    rmSync(join(home, 'memory.json'));
    mkdirSync(join(home, 'memory.json'));
    await expect(spendMemory(home)).rejects.toThrow();
    expect(readdirSync(home).toSorted()).toEqual(['memory.json', 'ram', 'state']);
  });
});

describe('a memory that is forgotten', () => {
  it('leaves nothing here, and all to those who share it', async () => {
    await kept();
    await shareMemory(home, place('other'));
    writeFileSync(join(home, 'disk.json'), '{}');
    await forgetMemory(home);
    expect(readdirSync(home)).toEqual(['disk.json']);
    await expect(differences(await read(place('other')), vm, place('other'))).resolves.toEqual([]);
    await forgetMemory(home);
  });

  it('is void before its file is gone', async () => {
    await kept();
    rmSync(join(home, 'ram'));
    mkdirSync(join(home, 'ram'));
    await expect(forgetMemory(home)).rejects.toThrow();
    expect(readdirSync(home)).toEqual(['ram']);
  });

  it('can lose its file alone', async () => {
    const memory = await kept('state');
    await forgetRam(home);
    await forgetRam(home);
    expect(readdirSync(home).toSorted()).toEqual(['memory.json', 'state']);
    await expect(differences(memory)).resolves.toEqual([]);
  });
});

it('is its own as long as its file has one name, and again once it has', async () => {
  await kept();
  await expect(ownsRam(home)).resolves.toBe(true);
  await shareMemory(home, place('other'));
  for (const folder of [home, place('other')]) await expect(ownsRam(folder)).resolves.toBe(false);
  linkSync(join(home, 'ram'), place('third'));
  await forgetMemory(place('other'));
  await expect(ownsRam(home)).resolves.toBe(false);
  rmSync(place('third'));
  await expect(ownsRam(home)).resolves.toBe(true);
  mkdirSync(place('copy'));
  await copyMemory(home, place('copy'));
  for (const folder of [home, place('copy')]) await expect(ownsRam(folder)).resolves.toBe(true);
});
