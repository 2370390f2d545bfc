import { execFile } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';

// One runs scripts as another user, who has to come to where they lie.
chmodSync(tmpdir(), statSync(tmpdir()).mode | 0o011);

const examples = readdirSync('examples').filter((file) => file.endsWith('.ts'));

interface Ended {
  readonly code: unknown;
  readonly printed: string;
  readonly complained: string;
}

function ended(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(program, args, { timeout: 120_000 }, (error, printed, complained) => {
      done({ code: error === null ? 0 : (error.code ?? error.signal), printed, complained });
    });
  });
}

/** Runs an example as a reader does. */
const run = (example: string): Promise<Ended> =>
  ended(process.execPath, ['--require', './scripts/typescript.cjs', `examples/${example}`]);

/** As each instance has one. */
const anyId = /\b[a-z][a-z0-9]{23}\b/;

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

it.concurrent(
  'npm start tells each instance by its name, also when it is gone, and none by its id',
  async () => {
    const { printed } = await ended('npm', ['start', '--silent']);
    expect(printed).toMatch(/ delete +gamma +Stopped -> gone$/m);
    expect(printed).not.toMatch(anyId);
  },
  150_000,
);

it.concurrent(
  'the policy that starts again what has ended survives a start that fails',
  async () => {
    const { printed } = await run('04-survive-a-crash.ts');
    expect(printed.replaceAll(/\d+/g, 'n').split('\n')).toStrictEqual([
      'worker is killed',
      'worker runs again as n',
      'worker is killed',
      'it cannot be started again: LaunchFailed: there is no program "no-such-program" in PATH',
      'worker is killed',
      'worker runs again as n',
      'in the end it is Running',
      '',
    ]);
  },
  150_000,
);

it.concurrent(
  'a remote manager hears of what happened while its server was gone, once',
  async () => {
    const { printed } = await run('21-remote.ts');
    expect(printed.trim().split('\n')).toStrictEqual([
      '1 asleep',
      'the server is gone; elsewhere, somebody puts api on standby',
      '2 asleep',
      'web Standby, api Standby',
    ]);
  },
  150_000,
);
