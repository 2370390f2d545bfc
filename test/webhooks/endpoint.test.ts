import { defer, EMPTY, of, type Observable } from 'rxjs';
import type { KeptTable, WebhookReport } from 'rx-instances';
import { createEndpoint } from '../../src/webhooks/endpoint.js';
import { EndpointRecord } from '../../src/webhooks/endpointRecord.js';
import type { KeptWebhook } from '../../src/webhooks/keptWebhook.js';
import type { Attempt, Post } from '../../src/webhooks/postEvent.js';
import { createLoggedBus, place } from '../support/loggedBus.js';

const day = 86_400_000;
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const fails = (status: number, retryAfter?: string): Attempt => ({
  failure: { kind: 'status', status, message: `it answered ${String(status)}` },
  ...(retryAfter !== undefined && { retryAfter }),
});

/** An endpoint whose receiver answers what the test says. */
function openEndpoint({
  answer = (): Attempt => ({}),
  kept = {},
  bus = createLoggedBus(),
}: {
  answer?: (post: Post) => Attempt;
  kept?: Partial<KeptWebhook>;
  bus?: ReturnType<typeof createLoggedBus>;
} = {}) {
  const posts: { readonly id: string | undefined; readonly at: number }[] = [];
  const puts: KeptWebhook[] = [];
  const reports: WebhookReport[] = [];
  const begun = Date.now();
  const table: KeptTable<KeptWebhook> = {
    get: () => of(undefined),
    list: () => of(new Map()),
    remove: () => EMPTY,
    put: (_, its) =>
      defer((): Observable<never> => {
        puts.push(its);
        return EMPTY;
      }),
  };
  const record = new EndpointRecord(
    'hook',
    { url: 'https://a.example/', filter: {}, createdAt: 0, secrets: [{ secret }], place: place(0), ...kept },
    table,
    { warn: () => undefined },
  );
  const endpoint = createEndpoint('hook', record, {
    manager: bus.bus,
    settings: { disableAfterMs: day, logger: { warn: () => undefined } },
    head: () => bus.events.length,
    report: (report) => void reports.push(report),
    post: (post) =>
      defer(() => {
        posts.push({ id: post.headers['webhook-id'], at: Date.now() - begun });
        return of(answer(post));
      }),
  });
  endpoint.start();
  return { ...bus, endpoint, posts, puts, reports, status: () => endpoint.view().status };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

describe('an endpoint', () => {
  it('is sent each event in turn, and how far it came is kept', async () => {
    const { endpoint, publish, posts, puts, status } = openEndpoint();
    publish(3);
    await pass(0);
    expect(posts.map(({ id }) => id)).toEqual(['e:1', 'e:2', 'e:3']);
    expect(puts.at(-1)?.place).toEqual(place(3));
    expect(status()).toMatchObject({ state: 'active', lag: 0, attempts: 0 });
    endpoint.stop();
  });

  it('is tried again after a back-off until it takes the event, and nothing overtakes that', async () => {
    let isWell = false;
    const { endpoint, publish, posts, status, puts } = openEndpoint({
      answer: () => (isWell ? {} : fails(500)),
    });
    publish(2);
    await pass(0);
    expect(status()).toMatchObject({ state: 'failing', attempts: 1, lag: 2, failingSince: Date.now() });
    expect(puts.at(-1)?.failingSince).toBe(Date.now());
    await pass(60_000);
    const waits = posts.slice(1).map(({ at }, index) => at - (posts[index]?.at ?? 0));
    expect(waits.length).toBeGreaterThanOrEqual(5);
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual(500 * 2 ** index - 1);
      expect(wait).toBeLessThanOrEqual(1_000 * 2 ** index + 1);
    });
    expect(new Set(posts.map(({ id }) => id))).toEqual(new Set(['e:1']));
    isWell = true;
    await pass(64_000);
    expect(posts.at(-1)?.id).toBe('e:2');
    expect(status()).toMatchObject({ state: 'active', lag: 0, attempts: 0 });
    expect(puts.at(-1)).toMatchObject({ place: place(2), failingSince: undefined });
    endpoint.stop();
  });

  it('is left alone for as long as it asks', async () => {
    let isWell = false;
    const { endpoint, publish, posts } = openEndpoint({ answer: () => (isWell ? {} : fails(429, '300')) });
    publish();
    await pass(299_000);
    expect(posts).toHaveLength(1);
    isWell = true;
    await pass(1_000);
    expect(posts.map(({ at }) => at)).toEqual([0, 300_000]);
    endpoint.stop();
  });

  it('is disabled after a day without success, with a last attempt at its end', async () => {
    const { publish, posts, puts, reports, status } = openEndpoint({ answer: () => fails(503, '999999999') });
    publish();
    await pass(day - 1);
    expect(status().state).toBe('failing');
    await pass(1);
    expect(posts.map(({ at }) => at)).toEqual([0, day]);
    expect(status()).toMatchObject({ state: 'disabled', disabledReason: 'failed', disabledAt: Date.now() });
    expect(puts.at(-1)?.disabled).toEqual({ at: Date.now(), reason: 'failed' });
    expect(reports.at(-1)).toEqual({ webhookId: 'hook', kind: 'disabled', reason: 'failed' });
    publish();
    await pass(day);
    expect(posts).toHaveLength(2);
  });

  it('that failed under the manager before has no more than what is left of the day', async () => {
    const kept = { failingSince: Date.now() - day };
    const { publish, posts, status } = openEndpoint({ answer: () => fails(500), kept });
    publish();
    await pass(0);
    expect(posts).toHaveLength(1);
    expect(status().state).toBe('disabled');
  });

  it('is disabled at once where it is gone', async () => {
    const { publish, reports, status } = openEndpoint({ answer: () => fails(410) });
    publish();
    await pass(0);
    expect(status()).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
    expect(reports.map(({ kind }) => kind)).toEqual(['failed', 'disabled']);
  });

  it('goes on with the oldest event that is kept, and tells so, where the log has lost its place', async () => {
    const bus = createLoggedBus({ before: 10, keeps: 3 });
    const { endpoint, posts, reports, status } = openEndpoint({ bus });
    await pass(1_000);
    expect(posts.map(({ id }) => id)).toEqual(['e:8', 'e:9', 'e:10']);
    expect(reports[0]).toEqual({ webhookId: 'hook', kind: 'expired', place: place(0), oldest: 8 });
    expect(status()).toMatchObject({ expired: 1, lag: 0 });
    endpoint.stop();
  });

  it('passes over what it has not asked for, and writes down once a second how far', async () => {
    const { endpoint, publish, posts, puts, status } = openEndpoint({ kept: { filter: { action: 'exit' } } });
    publish(100);
    await pass(0);
    expect([posts, puts]).toEqual([[], []]);
    expect(status().lag).toBe(0);
    await pass(1_000);
    expect(puts.map((put) => put.place)).toEqual([place(100)]);
    endpoint.stop();
  });
});
