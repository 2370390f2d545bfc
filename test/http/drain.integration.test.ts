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

  it('sends first what was published before', async () => {
    stage = await openStage({ drainMs: 60_000 });
    const reader = await readEvents(`${stage.address}/events?action=create`);
    for (let round = 0; round < 300; round += 1) await create(`a${String(round)}`);
    await closesSoon();
    const heard = await reader.rest();
    expect(heard.map(({ type }) => type)).toEqual([...Array<string>(300).fill('message'), 'closing']);
  });

  /** A client of a table that is larger than what the system keeps for it, of which it has not read more than the beginning. */
  const slowClient = async () => {
    const padding = 'x'.repeat(900_000);
    for (const name of 'abcdefghijklmnop') {
      await firstValueFrom(stage.manager.create({ name, image: 'any', env: { PADDING: padding } }));
    }
    const slow = dial(stage.address);
    slow.write(`${head('GET', '/instances?watch=true')}\r\n\r\n`);
    await once(slow, 'readable');
    return slow;
  };

  it('lets a slow client take all that it was sent, and its last words', async () => {
    stage = await openStage({ drainMs: 20_000 });
    const slow = await slowClient();
    const closing = stage.app.close();
    let heard = '';
    slow.setEncoding('utf8').on('data', (text: string) => (heard += text));
    await once(slow, 'close');
    await closing;
    expect(heard.length).toBeGreaterThan(14_400_000);
    expect(heard).toContain('event: closing\ndata: {"reason":"the server stops"}\n\n');
  });

  it('cuts off a client that takes nothing, at the deadline', async () => {
    stage = await openStage({ drainMs: 50 });
    const stuck = await slowClient();
    await closesSoon();
    await once(stuck.destroy(), 'close');
  });

  it('cuts off a client whose answer is not there at the deadline', async () => {
    let asked = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const never = () => {
      asked();
      return new Promise<never>(() => undefined);
    };
    stage = await openStage({ drainMs: 50, routes: (app) => app.get('/never', never) });
    const answer = expect(stage.ask('GET', '/never')).rejects.toThrow();
    await isAsked;
    await closesSoon();
    await answer;
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
