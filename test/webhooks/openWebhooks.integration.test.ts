import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { type InstanceManager, openManager, type Webhooks } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { openWebhooks, type WebhookOptions } from 'rx-instances/webhooks';
import { Webhook } from 'standardwebhooks';
import { until } from '../support/until.js';
import { openReceiver, type Received, type Receiver } from './receiver.js';

jest.setTimeout(60_000);

const here = { allowHttp: true, allowedNetworks: ['127.0.0.0/8'] };

/** A manager with webhooks. */
async function openStage(options: WebhookOptions = here, dataDir?: string) {
  const drivers = [createMemoryDriver()];
  const manager = await openManager({ drivers, ...(dataDir !== undefined && { dataDir }) });
  const webhooks = await openWebhooks(manager, options);
  return {
    manager,
    webhooks,
    [Symbol.asyncDispose]: async () => {
      await webhooks.close();
      await manager.close();
    },
  };
}

const create = (manager: InstanceManager, name: string) =>
  firstValueFrom(manager.create({ name, image: 'any' }));
const stopAndStart = async (manager: InstanceManager, name: string, times: number): Promise<void> => {
  for (let time = 0; time < times; time += 1) {
    await firstValueFrom(manager.stop(name));
    await firstValueFrom(manager.start(name));
  }
};
const has = ({ received }: Receiver, count: number): Promise<readonly Received[]> =>
  until(
    () => received,
    ({ length }) => length >= count,
  );
const statusOf = async (webhooks: Webhooks, id: string) => (await firstValueFrom(webhooks.get(id))).status;
const failureOf = async (webhooks: Webhooks, id: string) => {
  const reports: unknown[] = [];
  const heard = webhooks.reports$.subscribe((report) => reports.push(report));
  await until(
    () => reports,
    ({ length }) => length > 0,
  );
  heard.unsubscribe();
  return statusOf(webhooks, id);
};

test('a receiver gets every event once, in order, signed so that anybody with the secret can verify it', async () => {
  await using receiver = await openReceiver();
  await using stage = await openStage();
  const { manager, webhooks } = stage;
  const { secret } = await firstValueFrom(webhooks.add({ id: 'all', url: receiver.url }));
  await create(manager, 'web');
  await create(manager, 'db');
  await Promise.all([stopAndStart(manager, 'web', 10), stopAndStart(manager, 'db', 10)]);
  const received = await has(receiver, 42);
  expect(received.map(({ event }) => event.sequence)).toEqual(
    Array.from({ length: 42 }, (_, index) => index + 1),
  );
  for (const { headers, body, event } of received) {
    const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = headers;
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(event);
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signed = `${String(id)}.${String(seconds)}.${body}`;
    expect(signature).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    expect(id).toMatch(new RegExp(`^[^.]+:${String(event.sequence)}$`));
  }
});

test('one that is slow and one that is dead hold up nobody', async () => {
  const unanswered: (() => void)[] = [];
  await using slow = await openReceiver((response) => void unanswered.push(() => response.end()));
  await using fast = await openReceiver();
  await using stage = await openStage();
  const { manager, webhooks } = stage;
  await firstValueFrom(webhooks.add({ id: 'slow', url: slow.url }));
  await firstValueFrom(webhooks.add({ id: 'dead', url: 'http://127.0.0.1:1/' }));
  await firstValueFrom(webhooks.add({ id: 'fast', url: fast.url }));
  await create(manager, 'web');
  await stopAndStart(manager, 'web', 200);
  expect(await has(fast, 401)).toHaveLength(401);
  expect(slow.received).toHaveLength(1);
  const { lag } = await statusOf(webhooks, 'slow');
  expect(lag).toBe(401);
  expect((await statusOf(webhooks, 'dead')).lastFailure?.kind).toBe('connection');
  expect(webhooks.stats()).toMatchObject({ endpoints: { active: 2, failing: 1, disabled: 0 }, lag: 401 });
  // Of what waits, its own queue takes a part; the rest is read from the log.
  unanswered.splice(0).forEach((end) => {
    end();
  });
  await has(slow, 2);
  expect(slow.received.map(({ event }) => event.sequence)).toEqual([1, 2]);
});

test('a filter leaves out the rest', async () => {
  await using receiver = await openReceiver();
  await using stage = await openStage();
  const { manager, webhooks } = stage;
  const filter = { action: ['stop', 'delete'], name: 'web' } as const;
  await firstValueFrom(webhooks.add({ url: receiver.url, filter }));
  for (const name of ['db', 'web']) {
    await create(manager, name);
    await firstValueFrom(manager.stop(name));
    await firstValueFrom(manager.delete(name));
  }
  await has(receiver, 2);
  expect(receiver.received.map(({ event }) => event.action)).toEqual(['stop', 'delete']);
});

test('one that answers 410 is disabled, and goes on where it was once it is enabled again', async () => {
  let status = 410;
  await using receiver = await openReceiver((response) => response.writeHead(status).end());
  await using stage = await openStage();
  const { manager, webhooks } = stage;
  await firstValueFrom(webhooks.add({ id: 'hook', url: receiver.url }));
  await create(manager, 'web');
  await until(
    () => webhooks.stats().endpoints.disabled,
    (count) => count === 1,
  );
  expect(await statusOf(webhooks, 'hook')).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
  await firstValueFrom(manager.stop('web'));
  status = 200;
  await firstValueFrom(webhooks.enable('hook'));
  await has(receiver, 3);
  expect(receiver.received.map(({ event }) => event.sequence)).toEqual([1, 1, 2]);
});

test('one that asks for time by retry-after is tried again after that', async () => {
  const answers: number[] = [];
  await using receiver = await openReceiver((response) => {
    answers.push(performance.now());
    if (answers.length > 1) response.writeHead(204).end();
    else response.writeHead(429, { 'retry-after': '2' }).end();
  });
  await using stage = await openStage();
  await firstValueFrom(stage.webhooks.add({ url: receiver.url }));
  await create(stage.manager, 'web');
  await has(receiver, 2);
  const [first = 0, second = 0] = answers;
  expect(second - first).toBeGreaterThanOrEqual(1_990);
});

test('a redirect is not followed', async () => {
  await using other = await openReceiver();
  await using receiver = await openReceiver((response) =>
    response.writeHead(307, { location: other.url }).end(),
  );
  await using stage = await openStage();
  await firstValueFrom(stage.webhooks.add({ id: 'hook', url: receiver.url }));
  await create(stage.manager, 'web');
  const { lastFailure } = await failureOf(stage.webhooks, 'hook');
  expect(lastFailure).toEqual({ kind: 'redirect', status: 307, message: 'it answered 307' });
  expect(other.received).toEqual([]);
});

test('an answer that never ends, and one that never begins, take no longer than an attempt may', async () => {
  await using endless = await openReceiver((response) => {
    const pour = (): void => {
      while (response.write('x'.repeat(65_536)));
      response.once('drain', pour);
    };
    pour();
  });
  await using trickling = await openReceiver((response) => {
    response.writeHead(200);
    response.write('x');
  });
  await using silent = await openReceiver(() => undefined);
  await using stage = await openStage({ ...here, timeoutMs: 300 });
  const { manager, webhooks } = stage;
  for (const [id, { url }] of Object.entries({ endless, trickling, silent }))
    await firstValueFrom(webhooks.add({ id, url }));
  await create(manager, 'web');
  expect(
    await until(
      () => webhooks.stats().attempts,
      ({ delivered, timeout }) => delivered === 2 && timeout > 0,
    ),
  ).toMatchObject({ delivered: 2, status: 0 });
  const message = 'no answer within 300 ms';
  expect((await statusOf(webhooks, 'silent')).lastFailure).toEqual({ kind: 'timeout', message });
});

describe('an address that is not public', () => {
  const forms = [
    ...['127.0.0.1', '127.1', '0x7f000001', '2130706433', '017700000001', '10.0.0.1', '192.168.0.1'],
    ...['169.254.169.254', '172.16.5.4', '0.0.0.0', '100.64.0.1', '[::1]', '[::ffff:127.0.0.1]'],
    ...['[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fd00::1]', '[fe80::1]', '[::]'],
  ];

  it('is refused at the door, however it is written', async () => {
    await using stage = await openStage({ allowHttp: true });
    for (const host of forms) {
      const added = firstValueFrom(stage.webhooks.add({ url: `http://${host}:9/` }));
      await expect(added).rejects.toMatchObject({ _tag: 'InvalidRequest', faults: [{ path: 'url' }] });
    }
  });

  it('is refused behind a name, where nothing is connected to', async () => {
    await using receiver = await openReceiver();
    await using stage = await openStage({ allowHttp: true });
    const url = receiver.url.replace('127.0.0.1', 'localhost');
    await firstValueFrom(stage.webhooks.add({ id: 'hook', url }));
    await create(stage.manager, 'web');
    const { lastFailure } = await failureOf(stage.webhooks, 'hook');
    expect(lastFailure).toEqual({ kind: 'address', message: 'it leads to an address that is refused' });
    expect(receiver.received).toEqual([]);
  });

  it('that was allowed under the manager before is refused once it is not', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'webhooks-'));
    await using receiver = await openReceiver();
    {
      await using stage = await openStage(here, dataDir);
      await firstValueFrom(stage.webhooks.add({ id: 'hook', url: receiver.url }));
    }
    {
      await using stage = await openStage({ allowHttp: true }, dataDir);
      await create(stage.manager, 'web');
      expect((await failureOf(stage.webhooks, 'hook')).lastFailure?.kind).toBe('address');
    }
    expect(receiver.received).toEqual([]);
    rmSync(dataDir, { recursive: true });
  });
});

test.each([
  ['http://example.org/', 'only by https'],
  ['https://user:word@example.org/', 'without a user'],
  ['https://example.org/#a', 'without a fragment'],
  ['ftp://example.org/', 'by no other scheme'],
  [`https://example.org/${'a'.repeat(2_048)}`, 'not without end'],
  ['hook', 'by a whole URL'],
])('%.40s is refused: %s; what was asked for is not repeated', async (url) => {
  await using stage = await openStage({});
  const error = await firstValueFrom(stage.webhooks.add({ url })).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ _tag: 'InvalidRequest', faults: [{ path: 'url' }] });
  expect(String(error)).not.toContain(url);
});

test('after a rotation both secrets verify, until the older ends; none is told again', async () => {
  await using receiver = await openReceiver();
  await using stage = await openStage();
  const { manager, webhooks } = stage;
  const { secret: first } = await firstValueFrom(webhooks.add({ id: 'hook', url: receiver.url }));
  const { secret: second } = await firstValueFrom(webhooks.rotate('hook'));
  const verifies = (secret: string, { body, headers }: Received): boolean => {
    try {
      return new Webhook(secret).verify(body, headers as Record<string, string>) !== undefined;
    } catch {
      return false;
    }
  };
  await create(manager, 'web');
  const [one] = await has(receiver, 1);
  expect([first, second].map((secret) => verifies(secret, one as Received))).toEqual([true, true]);
  const { secret: third } = await firstValueFrom(webhooks.rotate('hook', { keepMs: 0 }));
  await firstValueFrom(manager.stop('web'));
  const [, two] = await has(receiver, 2);
  expect([first, second, third].map((secret) => verifies(secret, two as Received))).toEqual([
    ...[false, false, true],
  ]);
  const told = JSON.stringify([
    await firstValueFrom(webhooks.list()),
    await firstValueFrom(webhooks.get('hook')),
  ]);
  for (const secret of [first, second, third]) expect(told).not.toContain(secret.slice(6, 20));
  await expect(firstValueFrom(webhooks.rotate('hook', { secret: 'whsec_c2hvcnQ=' }))).rejects.toThrow(
    'secret: found a text',
  );
});

test('what is not there, is there already, or is one too many is told', async () => {
  await using stage = await openStage({ maxEndpoints: 1 });
  const { webhooks } = stage;
  const asked = { id: 'hook', url: 'https://example.org/' };
  const both = await Promise.allSettled([
    firstValueFrom(webhooks.add(asked)),
    firstValueFrom(webhooks.add(asked)),
  ]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await expect(firstValueFrom(webhooks.add(asked))).rejects.toMatchObject({ _tag: 'NameTaken' });
  await expect(firstValueFrom(webhooks.add({ url: asked.url }))).rejects.toThrow('at most 1 webhooks');
  await firstValueFrom(webhooks.remove('hook'));
  for (const verb of ['get', 'remove', 'enable', 'rotate'] as const)
    await expect(firstValueFrom<unknown>(webhooks[verb]('hook'))).rejects.toMatchObject({
      _tag: 'WebhookNotFound',
      webhookId: 'hook',
    });
  await stage.manager.close();
  await expect(firstValueFrom(webhooks.list())).rejects.toMatchObject({ _tag: 'ManagerClosed' });
});

test('endpoints and their places are those of the manager before', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'webhooks-'));
  let isThere = false;
  await using receiver = await openReceiver((response) => response.writeHead(isThere ? 204 : 500).end());
  {
    await using stage = await openStage(here, dataDir);
    await firstValueFrom(stage.webhooks.add({ id: 'hook', url: receiver.url }));
    await create(stage.manager, 'web');
    await has(receiver, 1);
  }
  isThere = true;
  receiver.received.length = 0;
  {
    await using stage = await openStage(here, dataDir);
    await has(receiver, 1);
    expect(receiver.received[0]?.event).toMatchObject({ sequence: 1, action: 'create' });
    await until(
      () => stage.webhooks.stats(),
      ({ lag, endpoints }) => lag === 0 && endpoints.active === 1,
    );
    expect(await statusOf(stage.webhooks, 'hook')).toMatchObject({ state: 'active', lag: 0 });
  }
  const before = receiver.received.length;
  {
    await using stage = await openStage(here, dataDir);
    await create(stage.manager, 'db');
    await has(receiver, before + 1);
    await firstValueFrom(stage.webhooks.remove('hook'));
  }
  const sequences = receiver.received.map(({ event }) => event.sequence);
  expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other));
  {
    await using stage = await openStage(here, dataDir);
    expect(await firstValueFrom(stage.webhooks.list())).toEqual([]);
  }
  rmSync(dataDir, { recursive: true });
});
