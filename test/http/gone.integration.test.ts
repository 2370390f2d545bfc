import { once } from 'node:events';
import { until } from '../support/until.js';
import { openStage, type Stage } from './apiStage.js';
import { dial, head } from './rawClient.js';

const json = (path: string, body: object): string => {
  const text = JSON.stringify(body);
  const headers = ['content-type: application/json', `content-length: ${String(text.length)}`];
  return `${head('POST', path, ...headers)}\r\n\r\n${text}`;
};
const get = (path: string): string => `${head('GET', path)}\r\n\r\n`;

describe('an answer that goes on', () => {
  let stage: Stage;
  const warnings: Error[] = [];
  const warn = (warning: Error): number => warnings.push(warning);
  beforeEach(async () => {
    process.on('warning', warn);
    stage = await openStage();
    await stage.ask('POST', '/instances', { name: 'web', image: 'any' });
  });
  afterEach(async () => {
    await stage[Symbol.asyncDispose]();
    process.off('warning', warn);
    expect(warnings).toEqual([]);
  });

  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const waits = (): number => stage.manager.stats()['wait_for_state']?.subscribers ?? 0;

  it.each([
    ['a wait', get('/instances/web/wait?state=Standby&timeout=5m')],
    ['a log', get('/instances/web/logs?follow=true')],
    ['events', get('/events')],
    ['a table', get('/instances?watch=true')],
    ['a call of logs', json('/calls/logs', { arguments: ['web', { follow: true }] })],
    ['a call of run', json('/calls/run', { arguments: [{ name: 'job', image: 'any' }] })],
  ])('ends when the client goes, also behind another on its connection: %s', async (_, request) => {
    const before = timers();
    const socket = dial(stage.address);
    socket.write(get('/instances/web/wait?state=Standby&timeout=5m') + request.repeat(12));
    await until(
      () => [waits(), timers()],
      ([count = 0, open = 0]) => count > 1 || (count === 1 && open > before + 2),
    );
    socket.destroy();
    await once(socket, 'close');
    const left = await until(
      () => [waits(), timers() <= before],
      ([count, isLevel]) => count === 0 && isLevel === true,
    );
    expect(left).toEqual([0, true]);
  });

  it('ends when the client goes although more of its request has come than anybody reads: a wait', async () => {
    const body = 'x'.repeat(300_000);
    const socket = dial(stage.address);
    const path = '/instances/web/wait?state=Standby&timeout=5m';
    socket.write(`${head('GET', path, `content-length: ${String(body.length)}`)}\r\n\r\n${body}`);
    await until(waits, (count) => count === 1);
    socket.destroy();
    expect(await until(waits, (count) => count === 0)).toBe(0);
  });
});
