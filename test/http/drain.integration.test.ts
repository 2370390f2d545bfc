import { once } from 'node:events';
import { firstValueFrom, from, timeout } from 'rxjs';
import { openStage, type Stage } from './apiStage.js';
import { readEvents } from './events/readEvents.js';
import { dial, head } from './rawClient.js';
import { until } from '../support/until.js';

describe('a server that stops', () => {
  let stage: Stage;
  afterEach(() => stage[Symbol.asyncDispose]());

  const create = (name: string) => firstValueFrom(stage.manager.create({ name, image: 'any' }));
  /** It would take as long as the deadline otherwise. */
  const closesSoon = () => firstValueFrom(from(stage.app.close()).pipe(timeout(8_000)));

  it('is not held by a connection that has asked nothing yet', async () => {
    stage = await openStage({ drainMs: 60_000 });
    const silent = dial(stage.address);
    await once(silent, 'connect');
    await stage.ask('GET', '/health');
    const closed = once(silent, 'close');
    await closesSoon();
    await closed;
  });

  it('is not held by a connection that is kept alive, nor by one whose request is being answered', async () => {
    stage = await openStage({ drainMs: 60_000 });
    await create('web');
    const kept = dial(stage.address);
    const heard: string[] = [];
    kept.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    kept.write(`${head('GET', '/health')}\r\n\r\n`);
    await until(
      () => heard.join(''),
      (text) => text.endsWith('}'),
    );
    kept.write(`${head('GET', '/instances/web/wait?state=Stopped&timeout=5m')}\r\n\r\n`);
    await until(
      () => stage.manager.stats()['wait_for_state']?.subscribers,
      (count) => count === 1,
    );
    const closed = once(kept, 'close');
    await closesSoon();
    await closed;
    expect(heard.join('')).toMatch(/HTTP\/1.1 503 [^]*retry-after: 1[^]*connection: close/i);
    expect(stage.manager.stats()['wait_for_state']?.subscribers).toBe(0);
  });

  it('lets a client take all that it was sent, and its last words', async () => {
    stage = await openStage({ drainMs: 20_000 });
    const slow = dial(stage.address);
    slow.write(`${head('GET', '/events')}\r\n\r\n`);
    await once(slow, 'readable');
    for (let round = 0; round < 300; round += 1) await create(`a${String(round)}`);
    const closing = stage.app.close();
    let heard = '';
    slow.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await once(slow, 'close');
    await closing;
    expect(heard.match(/"action":"create"/g)).toHaveLength(300);
    expect(heard).toContain('event: closing\ndata: {"reason":"the server stops"}\n\n');
  });

  it('cuts off a client that takes nothing, at the deadline', async () => {
    stage = await openStage({ drainMs: 50 });
    const stuck = dial(stage.address);
    stuck.write(`${head('GET', '/events')}\r\n\r\n`);
    await once(stuck, 'readable');
    stuck.pause();
    const padding = 'x'.repeat(500_000);
    for (let round = 0; round < 20; round += 1) {
      await firstValueFrom(
        stage.manager.create({ name: `a${String(round)}`, image: 'any', env: { PADDING: padding } }),
      );
    }
    await closesSoon();
    await once(stuck.destroy(), 'close');
  });

  it('takes no new connection', async () => {
    stage = await openStage({ drainMs: 60_000 });
    const reader = await readEvents(`${stage.address}/events`);
    const closing = stage.app.close();
    await reader.rest();
    await closing;
    await expect(stage.ask('GET', '/health')).rejects.toThrow();
  });
});
