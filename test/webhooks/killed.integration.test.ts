import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { openWebhooks } from 'rx-instances/webhooks';
import { until } from '../support/until.js';
import { openReceiver } from './receiver.js';

jest.setTimeout(120_000);

test('after a kill at any instant a receiver gets every event of the log, none before the one before it', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'webhooks-'));
  await using receiver = await openReceiver();
  for (let run = 0; run < 3; run += 1) {
    const before = receiver.received.length;
    const child = spawn(
      process.execPath,
      ['--require', './scripts/typescript.cjs', 'test/webhooks/webhookChild.ts', dataDir, receiver.url],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    child.stdout.resume();
    while (receiver.received.length < before + 20 + 30 * run) await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  const manager = await openManager({ dataDir, drivers: [createMemoryDriver()] });
  const webhooks = await openWebhooks(manager, { allowHttp: true, allowedNetworks: ['127.0.0.0/8'] });
  await until(
    () => webhooks.stats().lag,
    (lag) => lag === 0,
  );
  const { status } = await firstValueFrom(webhooks.get('hook'));
  await manager.close();
  rmSync(dataDir, { recursive: true });

  const sequences = receiver.received.map(({ event }) => event.sequence);
  const seen = [...new Set(sequences)];
  expect(seen).toEqual(Array.from({ length: status.place.sequence }, (_, index) => index + 1));
  // What is sent again was the last that was sent, or what came right before it.
  const steps = sequences.slice(1).map((sequence, index) => sequence - (sequences[index] ?? 0));
  expect(Math.max(...steps)).toBe(1);
  expect(steps.filter((step) => step < 1).length).toBeLessThanOrEqual(3);
});
