import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../support/freePort.js';

/** A sample of an answer: its labels, and its value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A rule as Prometheus has loaded it. */
export interface LoadedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

/** A Prometheus with our rules that scrapes one target each second. */
export interface Prometheus extends AsyncDisposable {
  /** What an expression is now. */
  query(expr: string): Promise<readonly Sample[]>;
  rules(): Promise<readonly LoadedRule[]>;
}

/** Starts Debian's, in a folder of its own that is gone when it is. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const port = String(await freePort());
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [resolve('grafana/alerts.yaml')],
    scrape_configs: [{ job_name: 'rx-instances', static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, 'config.yaml'), stringify(config));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${folder}/config.yaml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'close');
  let said = '';
  await new Promise<void>((ready, failed) => {
    child.stderr.on('data', (bytes) => {
      said += String(bytes);
      if (said.includes('Server is ready')) ready();
    });
    child.once('error', failed);
    child.once('exit', () => {
      failed(new Error(said));
    });
  });
  const ask = async (path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const answer = await fetch(
      `http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(query).toString()}`,
      { headers: { connection: 'close' } },
    );
    const { data, error } = (await answer.json()) as { readonly data: unknown; readonly error?: string };
    if (error !== undefined) throw new Error(`${query['query'] ?? path}: ${error}`);
    return data;
  };
  return {
    query: async (query) => ((await ask('query', { query })) as { result: readonly Sample[] }).result,
    rules: async () =>
      ((await ask('rules')) as { groups: readonly { rules: readonly LoadedRule[] }[] }).groups.flatMap(
        ({ rules }) => rules,
      ),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}
