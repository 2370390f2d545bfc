import { execFile, execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type * as Package from 'rx-instances';
import { NotRun } from './bench.js';
import { filledFolder } from './scratch.js';

/** What is exported by a build of this package. */
export type Build = typeof Package;

const run = promisify(execFile);
const repository = join(__dirname, '../..');

/** The last one before anything was published. */
const beforeAnyTag = '5c33675';

function lastTag(): string | undefined {
  const git = ['describe', '--tags', '--abbrev=0', '--match=v*'];
  try {
    return execFileSync('git', git, { cwd: repository, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    // There is none, or this is no clone.
    return undefined;
  }
}

/** The revision that is measured against: what `--base` says, or else what was published last. Contenders are told it. */
export const base = (process.env['BENCH_BASE'] ??= lastTag() ?? beforeAnyTag);

/**
 * Builds the package as it was at {@link base}, once in a run. It stands on the dependencies that are installed now.
 *
 * @throws {@link NotRun} where git does not have that revision
 */
export async function earlierBuild(): Promise<Build> {
  const { stdout } = await run('git', ['rev-parse', '--verify', `${base}^{commit}`], {
    cwd: repository,
  }).catch(() => {
    throw new NotRun(`git does not have ${base} here; name another by --base`);
  });
  const folder = await filledFolder(`build-${stdout.trim()}`, async (into) => {
    const archive = join(into, 'source.tar');
    await run('git', ['archive', `--output=${archive}`, stdout.trim()], { cwd: repository });
    await run('tar', ['-xf', archive, '-C', into]);
    const tsc = join(repository, 'node_modules/.bin/tsc');
    const options = ['-p', 'tsconfig.build.json', '--module', 'CommonJS', '--outDir', 'dist/cjs'];
    await run(tsc, options, { cwd: into });
  });
  return createRequire(__filename)(join(folder, 'dist/cjs/index.js')) as Build;
}
