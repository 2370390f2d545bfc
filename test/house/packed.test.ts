import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const manifest = {
  name: 'planted',
  homepage: 'https://example.org',
  bugs: 'https://example.org/bugs',
  repository: { type: 'git', url: 'git+https://example.org/planted.git' },
  publishConfig: { provenance: true },
  scripts: { prepack: 'true' },
};

const sound: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify(manifest),
  LICENSE: 'MIT',
  'README.md':
    '[a room](src/room/README.md), [examples](examples), [how](CONTRIBUTING.md), [away](https://a.b), [up](#up)',
  'dist/cjs/index.js': 'exports.one = 1;',
  'dist/cjs/index.d.ts': 'export declare const one = 1;',
  'dist/esm/package.json': '{"type":"module"}',
  'docs/decisions.md': '[elsewhere](gone.md)',
  'examples/01-first.ts': '',
  'grafana/alerts.yaml': '',
  'src/room/README.md': '[elsewhere](gone.md)',
};

/** Packs files as npm does, and returns what the check tells of the package. */
async function check(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'planted-'));
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, 'package', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  execFileSync('tar', ['-czf', 'planted.tgz', 'package'], { cwd: folder });
  const found = await new Promise<{ readonly code: unknown; readonly told: string; readonly faults: string }>(
    (done) => {
      const options = ['scripts/packed.mjs', join(folder, 'planted.tgz')];
      execFile(process.execPath, options, (error, told, faults) => {
        done({ code: error?.code ?? 0, told, faults });
      });
    },
  );
  rmSync(folder, { recursive: true });
  return found;
}

describe('the check of the packed package', () => {
  it('finds nothing in one that is sound, and tells its size', async () => {
    const { code, told, faults } = await check(sound);
    expect(faults).toBe('');
    expect(told).toMatch(/^10 files, \d+ kB packed, \d+ kB unpacked$/m);
    expect(code).toBe(0);
  });

  it('catches a fault of every kind', async () => {
    const { code, faults } = await check({
      ...sound,
      'package.json': JSON.stringify({ scripts: { ...manifest.scripts, postinstall: 'true' } }),
      'README.md': '[a room](src/other/README.md)',
      'dist/cjs/index.js': 'exports.one = 1;\n//# sourceMappingURL=index.js.map\n',
      'dist/cjs/index.js.map': '{}',
      'src/index.ts': '',
      'dist/stray.js': '',
      'grafana/panels.ts': '',
    });
    expect(faults.trim().split('\n')).toStrictEqual([
      'README.md: leads to src/other/README.md, which is not in the package',
      'dist/cjs/index.js: names a map, index.js.map',
      'dist/cjs/index.js.map: is not meant to be in the package',
      'dist/stray.js: is not meant to be in the package',
      'grafana/panels.ts: is not meant to be in the package',
      'package.json: has no repository',
      'package.json: has no bugs',
      'package.json: has no homepage',
      'package.json: has no publishConfig.provenance',
      'package.json: runs postinstall where it is installed',
      'src/index.ts: is not meant to be in the package',
    ]);
    expect(code).toBe(1);
  });
});
