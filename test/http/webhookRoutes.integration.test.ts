import { createSigner } from 'fast-jwt';
import { openStage } from './apiStage.js';

const url = 'https://example.org/hook?key=1';

test('an endpoint is added, told, and taken away; its secret is told once', async () => {
  await using stage = await openStage({ withWebhooks: true });
  const { ask } = stage;
  const filter = { action: ['exit', 'lost'], tags: { team: 'a' }, instance_id: 'i1' };
  const added = await ask('POST', '/webhooks', { id: 'alarms', url, filter });
  expect(added.status).toBe(201);
  expect(added.body).toMatchObject({
    ...{ id: 'alarms', url, filter, secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) as string },
    ...{ secrets: [{}], status: { state: 'active', lag: 0, attempts: 0, expired: 0 } },
  });
  const { secret } = added.body as { secret: string };
  const one = await ask('GET', '/webhooks/alarms');
  expect(one.body).toMatchObject({ id: 'alarms', filter });
  const all = await ask('GET', '/webhooks');
  expect(all.body).toEqual([one.body]);
  const rotated = await ask('POST', '/webhooks/alarms/rotate', { keep: '1h' });
  expect(rotated.body).toMatchObject({ secrets: [{}, { until: expect.any(String) as string }] });
  const enabled = await ask('POST', '/webhooks/alarms/enable');
  for (const { text } of [one, all, rotated, enabled]) expect(text).not.toContain(secret);
  expect((await ask('POST', '/webhooks', { id: 'alarms', url })).status).toBe(409);
  expect((await ask('DELETE', '/webhooks/alarms')).status).toBe(204);
  expect((await ask('GET', '/webhooks/alarms')).status).toBe(404);
  expect((await ask('DELETE', '/webhooks/alarms')).status).toBe(404);
});

test.each([
  [{}, 'url'],
  [{ url: 'https://10.0.0.1/' }, 'url'],
  [{ url: 'http://example.org/' }, 'url'],
  [{ url, secret: 'whsec_mine' }, 'secret'],
  [{ url, filter: { action: 'explode' } }, 'filter.action'],
  [{ url, filter: { instance: 'a' } }, 'filter.instance'],
  [{ url, events: [] }, 'events'],
])('%j is refused by name, and nothing of it is repeated', async (body, path) => {
  await using stage = await openStage({ withWebhooks: true });
  const answer = await stage.ask('POST', '/webhooks', body);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ message: expect.stringContaining(`${path}: found`) as string });
  expect(answer.text).not.toMatch(/whsec_mine|10\.0\.0\.1/);
});

test('a token needs the scope of a webhook', async () => {
  const key = 'a secret that nobody can guess, 42';
  await using stage = await openStage({ withWebhooks: true, secret: key });
  const as = (...permissions: string[]) => ({
    authorization: `Bearer ${createSigner({ key })({ sub: 'reader', permissions })}`,
  });
  expect((await stage.ask('GET', '/webhooks')).status).toBe(401);
  expect((await stage.ask('GET', '/webhooks', undefined, as('instance:read', 'resource:read'))).status).toBe(
    403,
  );
  expect((await stage.ask('GET', '/webhooks', undefined, as('webhook:read'))).status).toBe(200);
  expect((await stage.ask('POST', '/webhooks', { url }, as('webhook:read'))).status).toBe(403);
  expect((await stage.ask('POST', '/webhooks', { url }, as('webhook:write'))).status).toBe(201);
  expect((await stage.ask('DELETE', '/webhooks/x', undefined, as('webhook:write'))).status).toBe(403);
});

test('there are no such routes without webhooks', async () => {
  await using stage = await openStage();
  expect((await stage.ask('GET', '/webhooks')).status).toBe(404);
});
