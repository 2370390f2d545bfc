import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSoundFolders, type SoundFolders } from '../../../src/drivers/qemu/soundFolders.js';

let folder: string;
let sound: SoundFolders;
const place = (...names: readonly string[]): string => join(folder, ...names);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sound-'));
  sound = createSoundFolders();
  mkdirSync(place('snapshot/vm'), { recursive: true });
  mkdirSync(place('home'));
  writeFileSync(place('snapshot/vm/ram'), 'memory');
  writeFileSync(place('snapshot/manifest.json'), '{}');
  await sound.note(place('snapshot'), 'hash');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const isSound = (told = 'hash'): Promise<boolean> => sound.isSound(place('snapshot'), told);

const share = (): Promise<void> => {
  linkSync(place('snapshot/vm/ram'), place('home/ram'));
  return Promise.resolve();
};
const unshare = (): Promise<void> => {
  rmSync(place('home/ram'));
  return Promise.resolve();
};

it('a folder is sound as long as it looks as it did, by what was told of it then', async () => {
  await expect(isSound()).resolves.toBe(true);
  await expect(isSound('another')).resolves.toBe(false);
  await expect(sound.isSound(place('home'), 'hash')).resolves.toBe(false);
});

it.each<[string, () => void]>([
  [
    'was written to and its time set back',
    () => {
      const { atime, mtime } = statSync(place('snapshot/vm/ram'));
      writeFileSync(place('snapshot/vm/ram'), 'MEMORY');
      utimesSync(place('snapshot/vm/ram'), atime, mtime);
    },
  ],
  [
    'is another with the same bytes',
    () => {
      rmSync(place('snapshot/vm/ram'));
      writeFileSync(place('snapshot/vm/ram'), 'memory');
    },
  ],
  [
    'has got company',
    () => {
      writeFileSync(place('snapshot/vm/more'), '');
    },
  ],
  [
    'is gone',
    () => {
      rmSync(place('snapshot'), { recursive: true });
    },
  ],
  [
    'has got a name of which nobody was told',
    () => {
      linkSync(place('snapshot/vm/ram'), place('home/ram'));
    },
  ],
])('it is not where a file %s', async (_, change) => {
  change();
  await expect(isSound()).resolves.toBe(false);
});

it('it stays so while its files get and lose names', async () => {
  await sound.naming(place('snapshot/vm'), share);
  await expect(isSound()).resolves.toBe(true);
  await sound.naming(place('home'), unshare);
  await expect(isSound()).resolves.toBe(true);
});

it('it stays so where several do that at the same time', async () => {
  await sound.naming(place('snapshot/vm'), async () => {
    await share();
    await sound.naming(place('snapshot/vm'), () => Promise.resolve());
    await unshare();
  });
  await expect(isSound()).resolves.toBe(true);
});

it('it is not where a file was written to before or while it got a name', async () => {
  appendFileSync(place('snapshot/vm/ram'), 'x');
  await sound.naming(place('snapshot/vm'), share);
  await expect(isSound()).resolves.toBe(false);
  await sound.note(place('snapshot'), 'hash');
  await sound.naming(place('home'), async () => {
    appendFileSync(place('snapshot/vm/ram'), 'y');
    await unshare();
  });
  await expect(isSound()).resolves.toBe(false);
});

it('it is not once it was forgotten, but while work fails that names its files', async () => {
  await expect(sound.naming(place('snapshot/vm'), () => Promise.reject(new Error('no')))).rejects.toThrow(
    'no',
  );
  await expect(isSound()).resolves.toBe(true);
  sound.forget(place('snapshot'));
  await expect(isSound()).resolves.toBe(false);
});
