import type * as EarlierBuild from '../../../bench/harness/earlierBuild.js';

const named = process.env['BENCH_BASE'];
const scratch = process.env['BENCH_SCRATCH'];

function restore(variable: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, variable);
  else process.env[variable] = value;
}

/** The module, as a process finds it in which this revision is named. */
async function withBase(revision: string): Promise<typeof EarlierBuild> {
  jest.resetModules();
  process.env['BENCH_BASE'] = revision;
  return import('../../../bench/harness/earlierBuild.js');
}

afterEach(() => {
  restore('BENCH_BASE', named);
  restore('BENCH_SCRATCH', scratch);
});

describe('the earlier build', () => {
  it('is of the revision that was named', async () => {
    expect((await withBase('v9.8.7')).base).toBe('v9.8.7');
  });

  it('is of one that git knows, where none was named', async () => {
    restore('BENCH_BASE', undefined);
    jest.resetModules();
    const { base } = await import('../../../bench/harness/earlierBuild.js');
    expect(base).toMatch(/^v\d|^[0-9a-f]{7}$/);
  });

  it('is not run where git does not have the revision, and says so', async () => {
    const { earlierBuild } = await withBase('no-such-revision');
    await expect(earlierBuild()).rejects.toThrow(
      'git does not have no-such-revision here; name another by --base',
    );
  });
});
