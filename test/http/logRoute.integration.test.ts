import { once } from 'node:events';
import type { Socket } from 'node:net';
import fastify from 'fastify';
import { Observable } from 'rxjs';
import type { InstanceManager, LogLine } from 'rx-instances';
import { openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { createMemoryDriver } from 'rx-instances/testing';
import { until } from '../support/until.js';
import { openStage, type Stage } from './apiStage.js';
import { dial, head } from './rawClient.js';

/** What a client has heard so far. */
function heardBy(socket: Socket): () => string {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString();
}

const linesIn = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as string);

describe('a log', () => {
  let stage: Stage;
  let print: (line: string) => void;
  beforeEach(async () => {
    stage = await openStage();
    const { body } = await stage.ask('POST', '/instances', { name: 'web', image: 'any' });
    print = stage.driver.machine(String(body['id'])).print;
  });
  afterEach(() => stage[Symbol.asyncDispose]());

  it('is told as JSON in events, the last hundred lines if nothing is said', async () => {
    for (let count = 1; count <= 120; count += 1) print(`line ${String(count)}`);
    print('with "quotes", \r and \u2028');
    const { status, headers, text } = await stage.ask('GET', '/instances/web/logs');
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream',
      'no-store',
    ]);
    expect(headers.get('x-request-id')).not.toBeNull();
    const lines = linesIn(text);
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([100, 'line 22', 'with "quotes", \r and \u2028']);
    expect(text).not.toContain('\r');
    expect(linesIn((await stage.ask('GET', '/instances/web/logs?tail=2')).text)).toHaveLength(2);
    expect((await stage.ask('GET', '/instances/web/logs?tail=0')).text).toBe('');
  });

  it('is followed until its instance is gone', async () => {
    const socket = dial(stage.address);
    const heard = heardBy(socket);
    socket.write(`${head('GET', '/instances/web/logs?follow=true', 'connection: close')}\r\n\r\n`);
    await until(heard, (text) => text.includes('\r\n\r\n'));
    print('one');
    await until(heard, (text) => text.includes('one'));
    print('two');
    await stage.ask('DELETE', '/instances/web');
    if (!socket.closed) await once(socket, 'close');
    expect(heard()).toMatch(/data: "one"\n\n[^]*data: "two"\n\n[^]*0\r\n\r\n$/);
  });

  it('is read no more when its client goes', async () => {
    const socket = dial(stage.address);
    const heard = heardBy(socket);
    socket.write(`${head('GET', '/instances/web/logs?follow=true')}\r\n\r\n`);
    await until(heard, (text) => text.includes('\r\n\r\n'));
    socket.destroy();
    // A server that closes waits for answers that go on.
    await stage.app.close();
  });

  it('that there is not is told before anything else', async () => {
    const tell = async (path: string): Promise<unknown> => {
      const { status, body } = await stage.ask('GET', path);
      return [status, body['code']];
    };
    expect(await tell('/instances/web/logs?source=vmm')).toEqual([404, 'log_not_found']);
    expect(await tell('/instances/db/logs')).toEqual([404, 'not_found']);
    expect(await tell('/instances/web/logs?tail=x')).toEqual([400, 'invalid_request']);
  });
});

it('only so many are followed at a time', async () => {
  await using stage = await openStage({ maxStreams: 1 });
  await stage.ask('POST', '/instances', { name: 'web', image: 'any' });
  const socket = dial(stage.address);
  socket.write(`${head('GET', '/instances/web/logs?follow=true')}\r\n\r\n`);
  await once(socket, 'data');
  const { status, body, headers } = await stage.ask('GET', '/instances/web/logs?follow=true');
  expect([status, body['code'], headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
  socket.destroy();
  const again = async (): Promise<number> => (await stage.ask('GET', '/instances/web/logs')).status;
  expect(await again().then((first) => (first === 200 ? first : again()))).toBe(200);
});

/** A log of which it is known how much was read. */
function countedLog(
  manager: InstanceManager,
  total: number,
): { manager: InstanceManager; read: () => number } {
  let read = 0;
  const line = (index: number): LogLine => ({
    ...{ stream: 'stdout', partial: false, cursor: index },
    text: `${String(index)} ${'x'.repeat(1_000)}`,
  });
  const logs: InstanceManager['logs'] = (_, { after = 0, tail } = {}) =>
    new Observable((subscriber) => {
      if (tail === 0) {
        subscriber.complete();
        return;
      }
      for (let index = after + 1; index <= total && !subscriber.closed; index += 1) {
        read = Math.max(read, index);
        subscriber.next(line(index));
      }
      subscriber.complete();
    });
  return { manager: { ...manager, logs }, read: () => read };
}

it('of a client that reads slowly no more is read than it takes, and it loses nothing', async () => {
  const total = 30_000;
  const drivers = [createMemoryDriver()];
  const opened = await openManager({ drivers });
  const { manager, read } = countedLog(opened, total);
  await using server = {
    app: fastify(apiServerOptions()),
    [Symbol.asyncDispose]: async () => {
      server.app.server.closeAllConnections();
      await server.app.close();
      await opened.close();
    },
  };
  const { app } = server;
  await app.register(instancesApi, { manager, drivers });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  await fetch(`${address}/instances`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: '{"name":"web","image":"any"}',
  });
  const socket = dial(address).pause();
  const heard = heardBy(socket);
  socket.pause();
  socket.write(`${head('GET', '/instances/web/logs', 'connection: close')}\r\n\r\n`);
  // The kernel takes some megabytes; then it stands still.
  await until(read, (count) => count > 1_000);
  expect(read()).toBeLessThan(total);
  socket.resume();
  await once(socket, 'close');
  const numbers = linesIn(heard()).map((text) => Number(text.split(' ')[0]));
  expect(numbers).toEqual(Array.from({ length: total }, (_, index) => index + 1));
});

it('comments come while it is quiet', async () => {
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout', 'performance', 'Date'],
  });
  try {
    await using stage = await openStage();
    await stage.manager.create({ name: 'web', image: 'any' }).forEach(() => undefined);
    const socket = dial(stage.address);
    const heard = heardBy(socket);
    socket.write(`${head('GET', '/instances/web/logs?follow=true')}\r\n\r\n`);
    await until(heard, (text) => text.includes('\r\n\r\n'));
    for (const comments of [1, 2]) {
      jest.advanceTimersByTime(15_000);
      const told = await until(heard, (text) => text.split(':\n\n').length > comments);
      expect(told.split(':\n\n')).toHaveLength(comments + 1);
    }
    socket.destroy();
    await until(
      () => jest.getTimerCount(),
      (count) => count === 0,
    );
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});
