import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { createSealedFolder, type Seal, type SealedFolder } from '../../../src/drivers/host/sealedFolder.js';

const mebibyte = 1_024 * 1_024;

let folder: string;
let sealed: SealedFolder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealed-'));
  sealed = createSealedFolder(folder);
});

afterEach(() => removeTree(folder));

/** What lies in a folder: of each entry its mode, and text or target. */
function treeOf(path: string): object {
  const found = lstatSync(path);
  const mode = (found.mode & 0o7777).toString(8);
  if (found.isSymbolicLink()) return { target: readlinkSync(path) };
  if (found.isFile()) return { mode, text: readFileSync(path, 'latin1') };
  return { mode, names: readdirSync(path).map((name) => [name, treeOf(join(path, name))]) };
}

type Tree =
  | { readonly kind: 'file'; readonly text: string; readonly mode: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'directory'; readonly mode: number; readonly below: Readonly<Record<string, Tree>> };

const name = fc.oneof(
  fc.constantFrom(
    'a\nb',
    ' ',
    '-rf',
    '.hidden',
    'ünï',
    '😀',
    '"',
    '\\',
    '*',
    '__proto__',
    'work',
    'manifest.json',
  ),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 12 })
    .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..'),
);

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    fc.record({
      kind: fc.constant('file' as const),
      text: fc.string({ unit: 'binary' }),
      mode: fc.constantFrom(0o644, 0o755, 0o400, 0o444, 0o600),
    }),
    fc.record({
      kind: fc.constant('link' as const),
      target: fc.constantFrom('nowhere', '..', '/etc/passwd', './ünï', 'a b'),
    }),
    fc.record({
      kind: fc.constant('directory' as const),
      mode: fc.constantFrom(0o755, 0o700, 0o555, 0o1777),
      below: fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
    }),
  ),
}));

function lay(path: string, node: Tree): void {
  if (node.kind === 'link') symlinkSync(node.target, path);
  else if (node.kind === 'file') {
    writeFileSync(path, node.text);
    chmodSync(path, node.mode);
  } else {
    mkdirSync(path);
    for (const [each, below] of Object.entries(node.below)) lay(join(path, each), below);
    chmodSync(path, node.mode);
  }
}

test('whatever is sealed is sound, for its owner only, and comes out as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, tree, { maxKeys: 4 }), async (below) => {
      const place = mkdtempSync(join(folder, 'each-'));
      lay(join(place, 'work'), { kind: 'directory', mode: 0o750, below });
      const before = treeOf(join(place, 'work'));

      const each = createSealedFolder(place);
      const { hash } = await each.seal();
      expect(await each.check(hash)).toEqual([]);
      const modes = JSON.stringify(treeOf(place)).matchAll(/"mode":"(\d+)"/g);
      for (const [, mode] of modes) expect(['400', '700']).toContain(mode);

      await each.copyOut('work', join(place, 'out'));
      expect(treeOf(join(place, 'out'))).toEqual(before);
      await removeTree(place);
    }),
    { numRuns: 60 },
  );
}, 60_000);

/** A folder with one of each, sealed. */
async function laid(): Promise<Seal> {
  mkdirSync(join(folder, 'work', 'empty'), { recursive: true });
  writeFileSync(join(folder, 'work', 'text'), 'hello');
  writeFileSync(join(folder, 'work', 'large'), Buffer.alloc(2 * mebibyte + 3, 7));
  symlinkSync('text', join(folder, 'work', 'link'));
  return sealed.seal();
}

/** Writes to a file that even its owner may only read, and leaves its mode as it is. */
function writing(path: string, write: () => void): void {
  const { mode } = lstatSync(path);
  chmodSync(path, 0o600);
  write();
  chmodSync(path, mode & 0o7777);
}

/** Changes some bytes and leaves all else as it is. */
function flip(path: string, place: number): void {
  writing(path, () => {
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from('#'), 0, 1, place);
    closeSync(file);
  });
}

test('the size is that of all files', async () => {
  expect((await laid()).size).toBe(2 * mebibyte + 3 + 5);
});

test.each<[string, () => void, string, string, string]>([
  [
    'a byte that flipped',
    () => {
      flip(join(folder, 'work/text'), 2);
    },
    'work/text',
    'SHA-256 *in MiB 1',
    'SHA-256 2cf24d*in MiB 1',
  ],
  [
    'a byte that flipped far behind',
    () => {
      flip(join(folder, 'work/large'), 2 * mebibyte);
    },
    'work/large',
    'SHA-256 *in MiB 3',
    'SHA-256 *in MiB 3',
  ],
  [
    'a byte more',
    () => {
      writing(join(folder, 'work/text'), () => {
        appendFileSync(join(folder, 'work/text'), '!');
      });
    },
    'work/text',
    'mode 400, 6 bytes',
    'mode 400, 5 bytes',
  ],
  [
    'a file cut short',
    () => {
      writing(join(folder, 'work/large'), () => {
        truncateSync(join(folder, 'work/large'), 9);
      });
    },
    'work/large',
    'mode 400, 9 bytes',
    'mode 400, 2097155 bytes',
  ],
  [
    'a file that is missing',
    () => {
      rmSync(join(folder, 'work/text'));
    },
    'work/text',
    'nothing',
    'a file',
  ],
  [
    'a directory that is missing',
    () => {
      rmSync(join(folder, 'work/empty'), { recursive: true });
    },
    'work/empty',
    'nothing',
    'a directory',
  ],
  [
    'a file that was added',
    () => {
      writeFileSync(join(folder, 'work/empty/more'), '');
    },
    'work/empty/more',
    'file',
    'nothing',
  ],
  [
    'a directory that was added',
    () => {
      mkdirSync(join(folder, 'more'));
    },
    'more',
    'directory',
    'nothing',
  ],
  [
    'another mode of a file',
    () => {
      chmodSync(join(folder, 'work/text'), 0o600);
    },
    'work/text',
    'mode 600, 5 bytes',
    'mode 400, 5 bytes',
  ],
  [
    'another mode of a directory',
    () => {
      chmodSync(join(folder, 'work/empty'), 0o755);
    },
    'work/empty',
    'mode 755',
    'mode 700',
  ],
  [
    'another link',
    () => {
      rmSync(join(folder, 'work/link'));
      symlinkSync('large', join(folder, 'work/link'));
    },
    'work/link',
    'a link to "large"',
    'a link to "text"',
  ],
  [
    'a link in the place of a file',
    () => {
      renameSync(join(folder, 'work/text'), join(folder, 'manifest.json.old'));
      symlinkSync('../manifest.json.old', join(folder, 'work/text'));
    },
    'work/text',
    'link',
    'a file',
  ],
  [
    'another manifest',
    () => {
      writing(join(folder, 'manifest.json'), () => {
        appendFileSync(join(folder, 'manifest.json'), ' ');
      });
    },
    'manifest.json',
    'SHA-256 *',
    'SHA-256 *',
  ],
  [
    'no manifest',
    () => {
      rmSync(join(folder, 'manifest.json'));
    },
    '',
    'ENOENT: *',
    'a folder that can be read',
  ],
  [
    'no folder',
    () => {
      rmSync(folder, { recursive: true });
    },
    '',
    'ENOENT: *',
    'a folder that can be read',
  ],
])('%s is told', async (_, damage, path, found, expected) => {
  const { hash } = await laid();
  expect(await sealed.check(hash)).toEqual([]);
  damage();
  const like = (text: string): string =>
    expect.stringMatching(
      new RegExp(`^${text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`),
    ) as string;
  const faults = await sealed.check(hash);
  expect(faults[0]).toEqual({ path, found: like(found), expected: like(expected) });
  expect(faults[0]?.found).not.toBe(faults[0]?.expected);
});

test('every difference is told', async () => {
  const { hash } = await laid();
  rmSync(join(folder, 'work/text'));
  mkdirSync(join(folder, 'work/new'));
  chmodSync(join(folder, 'work/empty'), 0o755);
  const faults = await sealed.check(hash);
  expect(faults.map(({ path }) => path).toSorted()).toEqual(['work/empty', 'work/new', 'work/text']);
});

test('a manifest that is sound and cannot be understood is told as such', async () => {
  await laid();
  const json = '{"version":2,"entries":[]}';
  rmSync(join(folder, 'manifest.json'));
  writeFileSync(join(folder, 'manifest.json'), json);
  const faults = await sealed.check(createHash('sha256').update(json).digest('hex'));
  expect(faults).toEqual([{ path: 'version', found: '2', expected: '1' }]);
});

test('what is no file, directory or link cannot be sealed', async () => {
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await expect(sealed.seal()).rejects.toThrow('pipe is no file, directory or link');
  expect(existsSync(join(folder, 'manifest.json'))).toBe(false);
});

test('hashing leaves the event loop free', async () => {
  mkdirSync(join(folder, 'work'));
  writeFileSync(join(folder, 'work', 'large'), '');
  truncateSync(join(folder, 'work', 'large'), 64 * mebibyte);
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await sealed.seal();
  clearImmediate(next);
  // At least one for each MiB that is read.
  expect(turns).toBeGreaterThan(64);
});

test('what lies deeper than a path can be long is sealed, held against its manifest, and comes out', async () => {
  mkdirSync(join(folder, 'work'));
  execFileSync('python3', [
    '-c',
    `import os, sys
os.chdir(sys.argv[1])
for level in range(25):
    os.mkdir('x' * 200); os.chdir('x' * 200)
open('last', 'w').write('deep')`,
    join(folder, 'work'),
  ]);
  const { hash, size } = await sealed.seal();
  expect(size).toBe('deep'.length);
  expect(await sealed.check(hash)).toEqual([]);
  await sealed.copyOut('work', join(folder, 'out'));
  const found = execFileSync('find', [join(folder, 'out'), '-name', 'last', '-printf', '%d %m'], {
    encoding: 'utf8',
  });
  expect(found).toBe('26 644');
});

test('what a manifest says of rights of another does not come out', async () => {
  mkdirSync(join(folder, 'work'));
  writeFileSync(join(folder, 'work', 'program'), '', { mode: 0o755 });
  chmodSync(join(folder, 'work', 'program'), 0o4755);
  await sealed.seal();
  await sealed.copyOut('work', join(folder, 'out'));
  expect(lstatSync(join(folder, 'out', 'program')).mode & 0o7777).toBe(0o755);
});

describe('of many files, which threads hash', () => {
  const names = Array.from({ length: 400 }, (_, index) => `file-${String(index)}`);
  let seal: Seal;

  beforeEach(async () => {
    mkdirSync(join(folder, 'work'));
    for (const name of names) writeFileSync(join(folder, 'work', name), name, { mode: 0o640 });
    seal = await sealed.seal();
  });

  it('writes down the hash of each', () => {
    const { entries } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      readonly entries: readonly { readonly path: string; readonly pieces?: readonly string[] }[];
    };
    const hashes = new Map(entries.map(({ path, pieces }) => [path, pieces]));
    const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
    for (const name of names) expect(hashes.get(`work/${name}`)).toEqual([hashOf(name)]);
  });

  it('makes each read-only, and is sound', async () => {
    const modes = names.map((name) => lstatSync(join(folder, 'work', name)).mode & 0o7777);
    expect([...new Set(modes)]).toEqual([0o400]);
    expect(await sealed.check(seal.hash)).toEqual([]);
  });

  it('finds each that was changed, whatever its turn', async () => {
    for (const name of names) {
      chmodSync(join(folder, 'work', name), 0o600);
      writeFileSync(join(folder, 'work', name), name.toUpperCase());
      chmodSync(join(folder, 'work', name), 0o400);
    }
    const faults = await sealed.check(seal.hash);
    expect(faults.map(({ path }) => path).sort()).toEqual(names.map((name) => `work/${name}`).sort());
  });

  it('gives all of them out as they were laid in', async () => {
    const target = join(folder, 'out');
    await sealed.copyOut('work', target);
    for (const name of names) {
      expect([readFileSync(join(target, name), 'utf8'), lstatSync(join(target, name)).mode & 0o777]).toEqual([
        name,
        0o640,
      ]);
    }
  });
});
