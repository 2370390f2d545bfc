import { EventSource } from 'eventsource';
import fastify, { type FastifyInstance } from 'fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';
import { freePort } from '../../support/freePort.js';
import { until } from '../../support/until.js';
import { openBrowser } from '../page/browser.js';

/** An `EventSource`, whoever has made it. */
interface Source extends AsyncDisposable {
  /** Resolves with the sequences of the events that it was sent, once there are so many, or nothing comes any more. */
  heard(count: number): Promise<readonly number[]>;
}

/** That of npm. */
function ofNode(address: string): Promise<Source> {
  const sequences: number[] = [];
  const source = new EventSource(`${address}/events`);
  source.addEventListener('message', ({ data }) => {
    sequences.push((JSON.parse(data as string) as { sequence: number }).sequence);
  });
  const heard = (count: number): Promise<readonly number[]> =>
    until(
      () => [...sequences],
      ({ length }) => length >= count,
    );
  const close = (): Promise<void> => {
    source.close();
    return Promise.resolve();
  };
  return new Promise((resolve) => {
    source.addEventListener(
      'open',
      () => {
        resolve({ heard, [Symbol.asyncDispose]: close });
      },
      { once: true },
    );
  });
}

/** What runs in the page: that it has no types here. */
const inPage = `new Promise((resolve) => {
  window.sequences = [];
  window.source = new EventSource('/events');
  window.source.addEventListener('message', ({ data }) => window.sequences.push(JSON.parse(data).sequence));
  window.source.addEventListener('open', () => resolve(), { once: true });
})`;

/** That of Chromium. */
async function ofChromium(address: string): Promise<Source> {
  const browser = await openBrowser();
  const page = await browser.open(`${address}/health`);
  await page.evaluate(inPage);
  return {
    heard: async (count) => {
      await page.waitForFunction(`window.sequences.length >= ${String(count)}`, undefined, {
        timeout: 25_000,
      });
      return page.evaluate('window.sequences');
    },
    [Symbol.asyncDispose]: () => browser[Symbol.asyncDispose](),
  };
}

describe.each([
  ['of npm', ofNode],
  ['of Chromium', ofChromium],
])('an EventSource %s', (_, open) => {
  const drivers = [createMemoryDriver()];
  let dataDir: string;
  let port: number;
  let manager: InstanceManager;
  let app: FastifyInstance | undefined;

  const openAgain = async () => {
    manager = await openManager({ drivers, dataDir });
  };
  const listen = async () => {
    app = fastify(apiServerOptions());
    await app.register(instancesApi, { manager, drivers, drainMs: 1_000 });
    return app.listen({ host: '127.0.0.1', port });
  };
  const stop = async () => {
    await app?.close();
    app = undefined;
    await manager.close();
  };
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'event-source-'));
    port = await freePort();
  });
  afterEach(async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const create = (name: string) => firstValueFrom(manager.create({ name, image: 'any' }));

  it('goes on over a restart of the server where it was, without gap or double', async () => {
    await openAgain();
    await using source = await open(await listen());
    await create('before');
    expect(await source.heard(1)).toEqual([1]);
    // Last words come to who reads, so the one that comes with the end too.
    await create('last');
    await stop();
    await openAgain();
    await create('between');
    await firstValueFrom(manager.stop('between'));
    await listen();
    await create('after');
    expect(await source.heard(5)).toEqual([1, 2, 3, 4, 5]);
    await stop();
    await openAgain();
    await listen();
    await firstValueFrom(manager.delete('after'));
    expect(await source.heard(6)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
