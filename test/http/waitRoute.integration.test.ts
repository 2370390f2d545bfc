import { once } from 'node:events';
import { until } from '../support/until.js';
import { openStage, type Stage } from './apiStage.js';
import { dial, head } from './rawClient.js';

describe('a wait', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
    await stage.ask('POST', '/instances', {
      ...{ name: 'web', image: 'any' },
      readiness: { kind: 'log', pattern: 'ready' },
    });
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  const waiting = (): number => stage.manager.stats()['wait_for_state']?.subscribers ?? 0;
  const wait = async (query: string): Promise<unknown> => {
    const { status, body } = await stage.ask('GET', `/instances/web/wait?${query}`);
    return [status, body];
  };

  it('ends when the state is reached', async () => {
    const waited = wait('state=Running&timeout=5m');
    await until(waiting, (count) => count === 1);
    stage.driver.machine((await stage.ask('GET', '/instances/web')).body['id'] as string).print('ready');
    expect(await waited).toEqual([200, { state: 'Running', timed_out: false }]);
  });

  it('ends at its time, which may be longer than there is', async () => {
    expect(await wait('state=Running&timeout=1ms')).toEqual([
      200,
      { state: 'Initializing', timed_out: true },
    ]);
    expect(await wait('state=Initializing&timeout=87600h')).toEqual([
      200,
      { state: 'Initializing', timed_out: false },
    ]);
  });

  it('ends with a state that leads nowhere, and with the instance', async () => {
    const stopped = wait('state=Running');
    await until(waiting, (count) => count === 1);
    await stage.ask('POST', '/instances/web/stop');
    expect(await stopped).toEqual([200, { state: 'Stopped', timed_out: false }]);
    const deleted = wait('state=Standby,'.slice(0, -1));
    expect(await deleted).toEqual([200, { state: 'Stopped', timed_out: false }]);
    await stage.ask('POST', '/instances/web/start');
    const gone = wait('state=Running');
    await until(waiting, (count) => count === 1);
    await stage.ask('DELETE', '/instances/web');
    expect(await gone).toEqual([404, { code: 'not_found', message: 'instance was deleted while waiting' }]);
    expect(await wait('state=Running')).toMatchObject([404, { code: 'not_found' }]);
  });

  it('asks for a state and a duration', async () => {
    expect(await wait('')).toMatchObject([400, { code: 'invalid_request' }]);
    expect(await wait('state=Unknown')).toMatchObject([400, { code: 'invalid_state' }]);
    for (const timeout of ['5', '1d', '-5s', ''])
      expect(await wait(`state=Running&timeout=${timeout}`)).toMatchObject([
        400,
        { code: 'invalid_timeout' },
      ]);
  });

  it('is given up when its client goes, and leaves nothing', async () => {
    const sockets = Array.from({ length: 20 }, () => dial(stage.address));
    for (const socket of sockets)
      socket.write(`${head('GET', '/instances/web/wait?state=Running&timeout=5m')}\r\n\r\n`);
    expect(await until(waiting, (count) => count === 20)).toBe(20);
    sockets.forEach((socket, index) => (index % 2 === 0 ? socket.destroy() : socket.end()));
    expect(await until(waiting, (count) => count === 0)).toBe(0);
    for (const socket of sockets) socket.destroy();
  });

  it('is told when the manager closes', async () => {
    const waited = wait('state=Running');
    await until(waiting, (count) => count === 1);
    await stage.manager.close();
    expect(await waited).toMatchObject([503, { code: 'unavailable' }]);
  });
});

it('a client that goes before its answer is read harms nobody', async () => {
  await using stage = await openStage();
  const socket = dial(stage.address);
  await once(socket, 'connect');
  socket.write(`${head('GET', '/instances')}\r\n\r\n`);
  socket.destroy();
  expect((await stage.ask('GET', '/health')).status).toBe(200);
});
