import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/freePort.js';

interface Running {
  readonly child: ChildProcess;
  /** What it has written so far, on both. */
  written(): string;
  ended(): Promise<number | null>;
}

// Each run compiles the sources anew.
jest.setTimeout(120_000);

const secret = 'a secret that nobody can guess, 42';
let folder: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(
    process.execPath,
    ['--require', './scripts/typescript.cjs', 'src/cli/main.ts', ...args],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  started.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (text += String(bytes)));
  const end = once(child, 'close');
  return { child, written: () => text, ended: async () => ((await end) as [number | null])[0] };
}

async function told(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const { ended, written } = run(args, env);
  return [await ended(), written().trimEnd()] as const;
}

/** Serves, and resolves with the address once it says so. */
async function serving(file: string): Promise<Running & { readonly address: string }> {
  const running = run(['serve', '--config', file]);
  const { child, written } = running;
  while (!written().includes('it serves')) {
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'close')]);
    if (child.exitCode !== null) throw new Error(written());
  }
  const [, address = ''] = /its page at (\S+)\/,/.exec(written()) ?? [];
  return { ...running, address };
}

async function configured(more = ''): Promise<{ readonly file: string; readonly metrics: number }> {
  const [port, metrics] = [await freePort(), await freePort()];
  const file = join(folder, 'config.yaml');
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  writeFileSync(
    file,
    `http: { port: ${String(port)}, secret_file: ${folder}/secret }
metrics: { port: ${String(metrics)} }
serve: { data_dir: ${folder}/data }
${more}`,
  );
  return { file, metrics };
}

describe('rx-instances serve', () => {
  it('serves API, page and metrics, ends in order, and the next takes over what runs', async () => {
    const { file, metrics } = await configured();
    const signed = await told(['token', '--sub', 'ci', '--permissions', '*', '--config', file]);
    expect(signed).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/)]);
    const headers = { authorization: `Bearer ${signed[1]}`, connection: 'close' };

    const first = await serving(file);
    expect((await fetch(`${first.address}/instances`, { headers: { connection: 'close' } })).status).toBe(
      401,
    );
    const created = await fetch(`${first.address}/instances`, {
      ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
      body: JSON.stringify({ name: 'sleeper', image: 'scratch', entrypoint: ['sleep', '600'] }),
    });
    expect(created.status).toBe(201);
    const page = await fetch(first.address, { headers: { connection: 'close' } });
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('page/app.mjs')]);
    const scraped = await fetch(`http://127.0.0.1:${String(metrics)}/metrics`);
    expect(await scraped.text()).toContain('instances{driver="process",state="Running"} 1');
    const events = await fetch(`${first.address}/events`, { headers });
    first.child.kill('SIGTERM');
    expect(await events.text()).toContain('event: closing');
    expect(await first.ended()).toBe(143);

    const second = await serving(file);
    const found = await fetch(`${second.address}/instances/sleeper`, { headers });
    expect(await found.json()).toMatchObject({ name: 'sleeper', state: 'Running', revision: 1 });
    await fetch(`${second.address}/instances/sleeper`, { method: 'DELETE', headers });
    second.child.kill('SIGINT');
    expect(await second.ended()).toBe(130);
    expect(second.written()).not.toContain(secret);
  });

  it('says what is wrong with its surroundings, and ends with 1', async () => {
    const { file } = await configured();
    const { address, child, ended } = await serving(file);
    const locked = await told(['serve', '--config', file]);
    expect(locked).toEqual([
      1,
      expect.stringMatching(/^rx-instances: the data directory .* is held by process \d+/),
    ]);
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const busy = await told(['serve', '--config', file], {
      RX_INSTANCES__SERVE__DATA_DIR: join(folder, 'other'),
      RX_INSTANCES__METRICS__PORT: String(await freePort()),
    });
    expect(busy).toEqual([
      1,
      `rx-instances: listen EADDRINUSE: address already in use ${address.replace('http://', '')}`,
    ]);
    await once(other.close(), 'close');
    child.kill('SIGTERM');
    await ended();
  });

  it('says what is wrong with its configuration, and not what is secret in it', async () => {
    const { file } = await configured('more: 1');
    expect(await told(['serve', '--config', file])).toEqual([
      1,
      'rx-instances: more: found a number, expected another key; known are auto_standby, http, instances, metrics, serve, storage',
    ]);
    writeFileSync(join(folder, 'secret'), 'too short');
    writeFileSync(file, `http: { secret_file: ${folder}/secret }`);
    expect(await told(['serve', '--config', file])).toEqual([
      1,
      'rx-instances: http.secret_file: found a secret of 9 characters, expected 32 or more',
    ]);
    expect(await told(['serve'], { RX_INSTANCES__HTTP__LISTEN_ADDRESS: '0.0.0.0' })).toEqual([
      1,
      "rx-instances: http.listen_address: found '0.0.0.0', expected a loopback address, or a secret (http.secret_file)",
    ]);
  });
});

it.each([
  [['--help'], 0, 'sign a token with the secret of the configuration'],
  [['serve', '--help'], 0, 'RX_INSTANCES__HTTP__PORT'],
  [['token', '--help'], 0, 'how long it is valid, such as 30m or 720h (default'],
  [['serv'], 1, '(Did you mean serve?)'],
  [['token', '--sub', 'ci', '--permissions', 'all'], 1, 'Allowed choices are *, instance:read,'],
  [
    ['token', '--sub', 'ci', '--permissions', '*', '--expires-in', 'soon'],
    1,
    'Expected a duration such as 1h30m',
  ],
  [
    ['token', '--sub', 'ci', '--permissions', '*'],
    1,
    'there is no secret: set http.secret_file, or http.secret',
  ],
])('rx-instances %j tells how it is used', async (args, code, text) => {
  expect(await told(args)).toEqual([code, expect.stringContaining(text)]);
});
