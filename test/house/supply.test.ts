import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

type Files = Readonly<Record<string, string>>;

interface Locked {
  readonly license?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const locked = (license: string, fields: Locked = {}): Locked => ({
  license,
  integrity: 'sha512-x',
  ...fields,
});
const lock = (packages: Readonly<Record<string, Locked>>): string => JSON.stringify({ packages });
const manifest = (license: unknown): string => JSON.stringify({ license, main: 'index.js' });

/** Ours needs `lmdb`, which needs `within`, and wants `beside`; `builder` is for the house. */
const sound = {
  '': { dependencies: { lmdb: '1' }, peerDependencies: { beside: '1' } },
  'node_modules/lmdb': locked('MIT', {
    hasInstallScript: true,
    dependencies: { within: '1', elsewhere: '1' },
  }),
  'node_modules/lmdb/node_modules/within': locked('ISC'),
  'node_modules/elsewhere': locked('(GPL-3.0 OR MIT)'),
  'node_modules/beside': locked('Apache-2.0 AND MIT'),
  'node_modules/builder': locked('CC-BY-4.0', { hasInstallScript: true }),
};

const files: Files = {
  '.npmrc': 'ignore-scripts=true',
  'package-lock.json': lock(sound),
  'bench/package-lock.json': lock({ '': {}, 'node_modules/peer': locked('MIT') }),
  'node_modules/lmdb/package.json': manifest('MIT'),
  'node_modules/lmdb/index.js': '',
  'node_modules/lmdb/node_modules/within/package.json': manifest({ type: 'ISC' }),
};

/** Runs the check over a folder with these files. */
async function check(
  planted: Files,
): Promise<{ readonly code: unknown; readonly told: string; readonly faults: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'supply-'));
  for (const [file, text] of Object.entries(planted)) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return new Promise((done) => {
    execFile(process.execPath, ['scripts/supply.mjs', folder], (error, told, faults) => {
      rmSync(folder, { recursive: true });
      done({ code: error?.code ?? 0, told, faults });
    });
  });
}

describe('the check of the packages that come with ours', () => {
  it('finds nothing where all is sound, and tells how many come to users', async () => {
    expect(await check(files)).toStrictEqual({
      code: 0,
      told: [
        '.: 5 packages, 4 come to users; without their install scripts load lmdb',
        'bench: 1 packages, 0 come to users\n',
      ].join('\n'),
      faults: '',
    });
  });

  it('catches a fault of every kind', async () => {
    const { code, faults } = await check({
      ...files,
      '.npmrc': '',
      'package-lock.json': lock({
        ...sound,
        'node_modules/elsewhere': locked('CC-BY-4.0', { hasInstallScript: true }),
        'node_modules/beside': locked('GPL-3.0 AND MIT'),
        'node_modules/builder': { license: 'MIT' },
      }),
      'bench/package-lock.json': lock({ '': {}, 'node_modules/peer': locked('UNLICENSED') }),
      'node_modules/lmdb/index.js': "throw new Error('no binary')",
      'node_modules/lmdb/node_modules/within/package.json': manifest(undefined),
    });
    expect(faults.trim().split('\n')).toStrictEqual([
      '.npmrc: lets install scripts run',
      'node_modules/lmdb: does not load without its install script: Error: no binary',
      'node_modules/lmdb/node_modules/within: its licence is undefined',
      'node_modules/elsewhere: its licence is CC-BY-4.0',
      'node_modules/elsewhere: has an install script, and nobody said why it may be left out',
      'node_modules/beside: its licence is GPL-3.0 AND MIT',
      'node_modules/builder: the lock file has no hash of it',
      'bench/node_modules/peer: its licence is UNLICENSED',
    ]);
    expect(code).toBe(1);
  });

  it('does not take a package for sound that was compiled here', async () => {
    const { faults } = await check({ ...files, 'node_modules/lmdb/build/Release/lmdb.node': '' });
    expect(faults).toMatch(/^node_modules\/lmdb: was compiled here/);
  });
});
