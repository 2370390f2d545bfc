import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const examples = readdirSync('examples').filter((file) => file.endsWith('.ts'));

interface Ended {
  readonly code: unknown;
  readonly printed: string;
  readonly complained: string;
}

/** Runs an example as a reader does. */
function run(example: string): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['--require', './scripts/typescript.cjs', `examples/${example}`],
      { timeout: 120_000 },
      (error, printed, complained) => {
        done({ code: error === null ? 0 : (error.code ?? error.signal), printed, complained });
      },
    );
  });
}

describe.each(examples)('examples/%s', (example) => {
  const text = readFileSync(`examples/${example}`, 'utf8');

  it('is short enough to be read at a glance', () => {
    // A driver that meets the whole contract has as many lines more.
    const most = example.includes('driver') ? 84 : 60;
    expect(text.split('\n').length).toBeLessThanOrEqual(most);
  });

  it('imports what its reader will have installed', () => {
    const imported = [...text.matchAll(/ from '(.+)';/g)].map(([, name]) => name);
    expect(imported).toContain('rx-instances');
    expect(imported.filter((name) => name?.startsWith('.'))).toStrictEqual([]);
  });

  it.concurrent(
    'runs to its end and prints what it does',
    async () => {
      const { code, printed, complained } = await run(example);
      expect(complained).toBe('');
      expect(code).toBe(0);
      expect(printed).not.toBe('');
    },
    // One of them boots a virtual machine.
    150_000,
  );
});
